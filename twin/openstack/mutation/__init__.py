"""Software faults: one call in the code of a flow goes wrong."""
