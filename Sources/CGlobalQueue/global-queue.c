/*
 * Where the tasks of Swift run: on a queue that libdispatch does not look after.
 *
 * libdispatch looks once a second at what the threads of its common queues do, in /proc, whether there is work or not, and ends the
 * process when it cannot. That is for work that blocks its thread; tasks do not, and the runtime lets no more of them run at a time
 * than there are processors, on a queue of its own. All there is to do is to put that queue on the threads that are not looked after.
 * The runtime offers no choice, so the linker puts this function in its way (`--wrap`). If a later one calls its queue otherwise, it
 * is as it was before, and the row "wake-ups" of `make bench` says so.
 */
#include <stdint.h>
#include <string.h>

typedef struct dispatch_queue_s *dispatch_queue_t;
typedef struct dispatch_queue_attr_s *dispatch_queue_attr_t;

/* dispatch/queue.h, which is not among the headers that C sources are given. */
extern dispatch_queue_t dispatch_get_global_queue(intptr_t identifier, uintptr_t flags);
extern dispatch_queue_t dispatch_queue_create_with_target(
    const char *label, dispatch_queue_attr_t attributes, dispatch_queue_t target);
/* QOS_CLASS_DEFAULT by its older name, and DISPATCH_QUEUE_OVERCOMMIT. */
enum { PRIORITY_DEFAULT = 0, OVERCOMMIT = 2 };

extern dispatch_queue_t __real_dispatch_queue_create(const char *label, dispatch_queue_attr_t attributes);

dispatch_queue_t __wrap_dispatch_queue_create(const char *label, dispatch_queue_attr_t attributes);
dispatch_queue_t __wrap_dispatch_queue_create(const char *label, dispatch_queue_attr_t attributes) {
    if (label != NULL && strcmp(label, "Swift global concurrent queue") == 0) {
        dispatch_queue_t target = dispatch_get_global_queue(PRIORITY_DEFAULT, OVERCOMMIT);
        return dispatch_queue_create_with_target(label, attributes, target);
    }
    return __real_dispatch_queue_create(label, attributes);
}
