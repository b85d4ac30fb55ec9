"""Power cuts below real file systems: record what reaches a disk, rebuild disks that lost power, look what is left.

    fuse, recorder   a file system of two files in a process of its own: `disk` lies under a loop device, `marks` takes notes;
                     every write, flush and note goes into one record, in the order in which they came
    record           reading it: what a disk may hold when the power goes at any place of the record
    disks            loop devices and mounts of this process alone
    workload         clients of a library on the recorded disk; each answer is a note, with what it promised
    crashed          one disk after a cut: mounted, opened, compared with the promises
    laboratory       one round of all this; `python -m tests.faults.power --help` repeats one
    broken           systems that leave a sync out: the laboratory must catch each
"""
