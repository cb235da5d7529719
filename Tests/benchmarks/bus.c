// A small client of the system bus, and a service that only echoes: what a call costs without a language's bindings.
//
//   bus echo NAME                      owns NAME and answers every call with one variant
//   bus call COUNT NAME PATH INTERFACE MEMBER [s:TEXT | u:NUMBER]...
//                                      makes calls, one after the other; prints how long each took, in ns
//   bus sweep COUNT                    asks libvirt-dbus for all domains, and for the properties of each; as above
//   bus owner NAME                     waits until NAME has an owner; prints when, on the monotonic clock in ns
//   bus listen NAME INTERFACE MEMBER   prints when each such signal came, its path and its arguments, until it is ended
//
// `owner` and `listen` print "ready" when nothing can escape them any more.
#include <dbus/dbus.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static DBusConnection *bus;

static void die(const char *what, DBusError *error) {
    fprintf(stderr, "bus: %s: %s\n", what, error && dbus_error_is_set(error) ? error->message : "failed");
    exit(1);
}

static long long now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static DBusMessage *ask(DBusMessage *call) {
    DBusError error = DBUS_ERROR_INIT;
    DBusMessage *reply = dbus_connection_send_with_reply_and_block(bus, call, 60000, &error);
    if (!reply) die(dbus_message_get_member(call), &error);
    dbus_message_unref(call);
    return reply;
}

static DBusMessage *call_of(const char *name, const char *path, const char *interface, const char *member) {
    DBusMessage *call = dbus_message_new_method_call(name, path, interface, member);
    if (!call) die("cannot make a call", NULL);
    dbus_message_set_auto_start(call, FALSE);
    return call;
}

static void append_words(DBusMessage *call, char **words) {
    DBusMessageIter out;
    dbus_message_iter_init_append(call, &out);
    for (; *words; words++) {
        const char *text = *words + 2;
        dbus_uint32_t number = strtoul(text, NULL, 10);
        if (!strncmp(*words, "s:", 2)) dbus_message_iter_append_basic(&out, DBUS_TYPE_STRING, &text);
        else if (!strncmp(*words, "u:", 2)) dbus_message_iter_append_basic(&out, DBUS_TYPE_UINT32, &number);
        else die("an argument is s:TEXT or u:NUMBER", NULL);
    }
}

static void own(const char *name) {
    DBusError error = DBUS_ERROR_INIT;
    if (dbus_bus_request_name(bus, name, DBUS_NAME_FLAG_DO_NOT_QUEUE, &error) != DBUS_REQUEST_NAME_REPLY_PRIMARY_OWNER)
        die("cannot own the name", &error);
    puts("ready");
    fflush(stdout);
}

static void echo(const char *name) {
    const char *text = "shut-off";
    own(name);
    while (dbus_connection_read_write(bus, -1)) {
        DBusMessage *call;
        while ((call = dbus_connection_pop_message(bus))) {
            if (dbus_message_get_type(call) == DBUS_MESSAGE_TYPE_METHOD_CALL) {
                DBusMessage *reply = dbus_message_new_method_return(call);
                DBusMessageIter out, variant;
                dbus_message_iter_init_append(reply, &out);
                dbus_message_iter_open_container(&out, DBUS_TYPE_VARIANT, "s", &variant);
                dbus_message_iter_append_basic(&variant, DBUS_TYPE_STRING, &text);
                dbus_message_iter_close_container(&out, &variant);
                dbus_connection_send(bus, reply, NULL);
                dbus_message_unref(reply);
            }
            dbus_message_unref(call);
        }
    }
}

static void call(int count, char **words) {
    while (count-- > 0) {
        DBusMessage *call = call_of(words[0], words[1], words[2], words[3]);
        append_words(call, words + 4);
        long long start = now();
        dbus_message_unref(ask(call));
        printf("%lld\n", now() - start);
    }
}

static void sweep(int count) {
    char *all[] = {"u:0", NULL}, *interface[] = {"s:org.libvirt.Domain", NULL};
    while (count-- > 0) {
        char **paths;
        int number;
        long long start = now();
        DBusMessage *list = call_of("org.libvirt", "/org/libvirt/QEMU", "org.libvirt.Connect", "ListDomains");
        append_words(list, all);
        list = ask(list);
        if (!dbus_message_get_args(list, NULL, DBUS_TYPE_ARRAY, DBUS_TYPE_OBJECT_PATH, &paths, &number,
                                   DBUS_TYPE_INVALID))
            die("ListDomains replies something else", NULL);
        for (int i = 0; i < number; i++) {
            DBusMessage *get = call_of("org.libvirt", paths[i], "org.freedesktop.DBus.Properties", "GetAll");
            append_words(get, interface);
            dbus_message_unref(ask(get));
        }
        printf("%lld\n", now() - start);
        dbus_free_string_array(paths);
        dbus_message_unref(list);
    }
}

static void match(const char *rule) {
    DBusError error = DBUS_ERROR_INIT;
    dbus_bus_add_match(bus, rule, &error);
    if (dbus_error_is_set(&error)) die(rule, &error);
}

static void owner(const char *name) {
    char rule[512];
    snprintf(rule, sizeof rule, "sender='org.freedesktop.DBus',member='NameOwnerChanged',arg0='%s'", name);
    match(rule);
    puts("ready");
    fflush(stdout);
    // The signal tells of an end as well.
    while (!dbus_bus_name_has_owner(bus, name, NULL)) {
        DBusMessage *message;
        while (!(message = dbus_connection_pop_message(bus)))
            if (!dbus_connection_read_write(bus, -1)) die("the bus is gone", NULL);
        dbus_message_unref(message);
    }
    printf("%lld\n", now());
}

// The texts of a dictionary, as KEY=TEXT and a blank each.
static void print_texts(DBusMessageIter *array) {
    DBusMessageIter entry, pair, variant;
    DBusBasicValue key, text;
    dbus_message_iter_recurse(array, &entry);
    for (; dbus_message_iter_get_arg_type(&entry) == DBUS_TYPE_DICT_ENTRY; dbus_message_iter_next(&entry)) {
        dbus_message_iter_recurse(&entry, &pair);
        dbus_message_iter_get_basic(&pair, &key);
        dbus_message_iter_next(&pair);
        dbus_message_iter_recurse(&pair, &variant);
        if (dbus_message_iter_get_arg_type(&variant) != DBUS_TYPE_STRING) continue;
        dbus_message_iter_get_basic(&variant, &text);
        printf("%s=%s ", key.str, text.str);
    }
}

static void print_argument(DBusMessageIter *in) {
    DBusBasicValue value;
    switch (dbus_message_iter_get_arg_type(in)) {
    case DBUS_TYPE_STRING:
    case DBUS_TYPE_OBJECT_PATH:
        dbus_message_iter_get_basic(in, &value);
        printf("\t%s", value.str);
        break;
    case DBUS_TYPE_INT32:
        dbus_message_iter_get_basic(in, &value);
        printf("\t%d", value.i32);
        break;
    case DBUS_TYPE_ARRAY:
        putchar('\t');
        if (dbus_message_iter_get_element_type(in) == DBUS_TYPE_DICT_ENTRY) print_texts(in);
        break;
    default:
        fputs("\t-", stdout);
    }
}

static void listen_to(char **words) {
    char rule[512];
    snprintf(rule, sizeof rule, "type='signal',sender='%s',interface='%s',member='%s'", words[0], words[1], words[2]);
    match(rule);
    puts("ready");
    fflush(stdout);
    while (dbus_connection_read_write(bus, -1)) {
        DBusMessage *message;
        while ((message = dbus_connection_pop_message(bus))) {
            long long time = now();
            DBusMessageIter in;
            if (dbus_message_is_signal(message, words[1], words[2])) {
                printf("%lld\t%s", time, dbus_message_get_path(message));
                if (dbus_message_iter_init(message, &in))
                    do print_argument(&in);
                    while (dbus_message_iter_next(&in));
                putchar('\n');
            }
            dbus_message_unref(message);
        }
        fflush(stdout);
    }
}

int main(int count, char **words) {
    DBusError error = DBUS_ERROR_INIT;
    if (!(bus = dbus_bus_get_private(DBUS_BUS_SYSTEM, &error))) die("no bus", &error);
    const char *verb = count > 2 ? words[1] : "";
    if (!strcmp(verb, "echo")) echo(words[2]);
    else if (!strcmp(verb, "call") && count > 6) call(atoi(words[2]), words + 3);
    else if (!strcmp(verb, "sweep")) sweep(atoi(words[2]));
    else if (!strcmp(verb, "owner")) owner(words[2]);
    else if (!strcmp(verb, "listen") && count == 5) listen_to(words + 2);
    else die("bad arguments", NULL);
    return 0;
}
