// libdbus-1's public interface, and what its main loop needs of the C library.
#pragma once
#include <stddef.h>
#include <dbus/dbus.h>
// Swift's Glibc module has neither this header nor the GNU extensions below.
#include <sys/eventfd.h>
#include <pthread.h>

extern int pthread_setname_np(pthread_t thread, const char *name);
extern char *secure_getenv(const char *name);
