"""A stand-in for Resolve's scripting module, awkward where the real one is.

- every name of every object is there, as None: `hasattr` lies, and so does a misspelt call until it is made
- None and False come without a reason
- clips go into the folder that is current, and a person may click on another at any moment
- once Resolve was closed, objects stay, and all their methods are None
"""

from __future__ import annotations

from pathlib import Path
from typing import Any


class World:
    """What the person at the workstation sees and does."""

    def __init__(self) -> None:
        self.projects: dict[str, Project] = {}
        self.current: Project | None = None
        self.running, self.gone = True, False
        self.locked: set[str] = set()  # projects that somebody else has open
        self.mute: set[str] = set()  # names of files that are imported without an answer
        self.readable = {".mov", ".mp4", ".wav"}
        self.third_party = True
        self.saved: list[str] = []
        self.imports: list[str] = []
        self.before_import = lambda: None

    def folder(self, project: str, name: str) -> Folder:
        """A bin, for looking into it."""
        return next(folder for folder in self.projects[project].pool.root.folders if folder.name == name)

    def paths(self, project: str, name: str) -> list[str]:
        return [item.path for item in self.folder(project, name).items]


world = World()


class Remote:
    def __getattribute__(self, name: str) -> Any:
        if world.gone and name[:1].isupper():
            return None
        return super().__getattribute__(name)

    def __getattr__(self, name: str) -> Any:
        return None


class Item(Remote):
    def __init__(self, path: str) -> None:
        self.path, self.metadata, self.third_party = path, {}, {}

    def __getattribute__(self, name: str) -> Any:
        if name == "SetThirdPartyMetadata" and not world.third_party:
            return None
        return super().__getattribute__(name)

    def GetName(self) -> str:
        return Path(self.path).name

    def GetClipProperty(self, name: str | None = None) -> Any:
        return self.path if name == "File Path" else ""

    def SetMetadata(self, name: Any, value: str | None = None) -> bool:
        self.metadata |= name if isinstance(name, dict) else {name: value}
        return True

    def SetThirdPartyMetadata(self, name: Any, value: str | None = None) -> bool:
        self.third_party |= name if isinstance(name, dict) else {name: value}
        return True


class Folder(Remote):
    def __init__(self, name: str) -> None:
        self.name, self.items, self.folders = name, [], []

    def GetName(self) -> str:
        return self.name

    def GetClipList(self) -> list[Item] | None:
        return list(self.items) or None

    def GetSubFolderList(self) -> list[Folder]:
        return list(self.folders)


class Pool(Remote):
    def __init__(self) -> None:
        self.root = self.shown = Folder("Master")

    def GetRootFolder(self) -> Folder:
        return self.root

    def AddSubFolder(self, folder: Folder, name: str) -> Folder | None:
        if any(other.name == name for other in folder.folders):
            return None
        folder.folders.append(Folder(name))
        return folder.folders[-1]

    def GetCurrentFolder(self) -> Folder:
        return self.shown

    def SetCurrentFolder(self, folder: Folder) -> bool:
        if folder is not self.root and folder not in self.root.folders:
            return False
        self.shown = folder
        return True

    def ImportMedia(self, paths: list[str]) -> list[Item] | None:
        items = []
        for path in paths:
            if Path(path).is_file() and Path(path).suffix in world.readable:
                world.imports.append(path)
                items.append(Item(path))
        self.shown.items += items
        mute = any(Path(path).name in world.mute for path in paths)
        world.before_import()  # before the next one
        return None if mute or not items else items


class Project(Remote):
    def __init__(self, name: str) -> None:
        self.name, self.pool = name, Pool()

    def GetName(self) -> str:
        return self.name

    def GetMediaPool(self) -> Pool:
        return self.pool


class Manager(Remote):
    def GetCurrentProject(self) -> Project | None:
        return world.current

    def GetProjectListInCurrentFolder(self) -> list[str]:
        return sorted({*world.projects, *world.locked})

    def GotoRootFolder(self) -> bool:
        return True

    def LoadProject(self, name: str) -> Project | None:
        if name in world.locked or name not in world.projects:
            return None
        world.current = world.projects[name]
        return world.current

    def CreateProject(self, name: str) -> Project | None:
        if name in world.projects or name in world.locked:
            return None
        world.projects[name] = world.current = Project(name)
        return world.current

    def SaveProject(self) -> bool:
        world.saved.append(world.current.name if world.current else "")
        return True


class Resolve(Remote):
    def GetProjectManager(self) -> Manager:
        return Manager()


def scriptapp(name: str) -> Resolve | None:
    return Resolve() if name == "Resolve" and world.running and not world.gone else None
