"""The agent for DaVinci Resolve: takes jobs from the queue of a server and does them on a workstation. Door: `agent.Agent`.

Everything here runs in the Python of filmcan and, as a menu script, in the one that Resolve brings along: nothing compiled is
imported, and no other room of the house.
"""
