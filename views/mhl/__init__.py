"""ASC MHL v2: manifests of a project that other programs of the film trade read and check. Door: `manifests.Manifests`.

    <project>/ascmhl/0001_P1-Film_2026-01-18_201500Z.mhl    a generation: what was there, with sums
                     0002_…                                  only what changed since, or everything after it was read again
                     ascmhl_chain.xml                        every generation with its C4 id: none can be changed unseen

The format is that of the ASC's reference tool `ascmhl` and its schema, version 2.0.
"""
