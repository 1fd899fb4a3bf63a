"""What OpenStack leans on and did not write: MySQL, RabbitMQ, HAProxy, memcached, libvirt, Open vSwitch, volumes."""
