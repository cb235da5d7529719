// libvirt's public interface; nothing is added to it.
#pragma once
#include <stddef.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
