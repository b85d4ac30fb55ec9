"""POST /cli: workflows of the replaced asset manager, one step or several."""

from __future__ import annotations

import falcon

from views.web import body
from views.web.app import Routes
from views.web.desk import Desk
from views.web.errors import shape
from views.workflow import Workflow


class Cli:
    """A step of a workflow, or several: the result of each, in their order."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        asked = body.json_value(req)
        if not isinstance(asked, dict):
            raise shape("body", "", "a step, or an object with a workflow of steps, is needed", asked)
        library = self._desk.library(req.get_param("source"))
        resp.media = Workflow(library, self._desk.left_alone).run(asked)


def routes(desk: Desk) -> Routes:
    return [("/cli", Cli(desk))]
