"""Checks on a cluster of dask.distributed's, one that is there or one that is started here.

    main        draws tasks, writes records         (cluster.py)
    worker      takes one task at a time            (cluster.py)
    child       the worker's process that runs it   (child.py): what crashes is a record, and no lost worker

A task that is lost with its worker is run again by another one; what is recorded is recorded once.
"""

from fleet.cluster import Cluster, FleetRefused, Place, add_options

__all__ = ["Cluster", "FleetRefused", "Place", "add_options"]
