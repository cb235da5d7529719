// libdbus-1's public interface; nothing is added to it.
#pragma once
#include <stddef.h>
#include <dbus/dbus.h>
