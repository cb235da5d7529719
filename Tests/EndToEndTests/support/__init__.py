"""What the end-to-end tests are made of: clients of the bus, libvirt's own tools, guests and the services."""
