"""Run checks on a Dask cluster, an existing one or one started on this machine.

    main        hands out tasks, writes records     (cluster.py)
    worker      takes one task at a time            (cluster.py)
    child       the worker's process that runs it   (child.py): a crash becomes a record, not a lost worker

If a worker is lost, another one repeats its task; every record is written once.
"""

from fleet.cluster import Cluster, FleetRefused, WorkerNeeds

__all__ = ["Cluster", "FleetRefused", "WorkerNeeds"]
