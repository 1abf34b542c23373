"""The GPU delegate, written once for every kind of device, and the devices."""
