"""Training on rented machines: what they need of a run, what it may take, and the services that lend them.

The packages of a service are imported when it is used, never with ours.
"""
