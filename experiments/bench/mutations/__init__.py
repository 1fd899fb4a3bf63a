"""The mutation campaign: faults in the program of Nova, Cinder and Neutron, one at a time, beside the study's figures."""
