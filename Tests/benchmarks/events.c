// Prints when each lifecycle event of libvirt came, on the monotonic clock in ns, with the domain's UUID and the event,
// until it is ended.
//
//   events URI
//
// It prints "ready" when no event can escape it any more. Beside the service it shows when libvirt told of a change.
#include <libvirt/libvirt.h>
#include <stdio.h>
#include <time.h>

static int tell(virConnectPtr connection, virDomainPtr domain, int event, int detail, void *data) {
    (void)connection, (void)detail, (void)data;
    struct timespec time;
    char uuid[VIR_UUID_STRING_BUFLEN];
    clock_gettime(CLOCK_MONOTONIC, &time);
    virDomainGetUUIDString(domain, uuid);
    printf("%lld\t%s\t%d\n", time.tv_sec * 1000000000LL + time.tv_nsec, uuid, event);
    fflush(stdout);
    return 0;
}

int main(int count, char **words) {
    virEventRegisterDefaultImpl();
    virConnectPtr connection = count == 2 ? virConnectOpenReadOnly(words[1]) : NULL;
    if (!connection) return 1;
    if (virConnectDomainEventRegisterAny(connection, NULL, VIR_DOMAIN_EVENT_ID_LIFECYCLE,
                                         VIR_DOMAIN_EVENT_CALLBACK(tell), NULL, NULL) < 0)
        return 1;
    puts("ready");
    fflush(stdout);
    while (virEventRunDefaultImpl() == 0) {}
    return 1;
}
