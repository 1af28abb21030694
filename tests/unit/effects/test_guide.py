from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import httpx

from rivergate.effects import Action, Outcome

GUIDE = Path(__file__).parents[3] / "docs" / "guides" / "effects.md"


def test_the_guides_effector_acts_and_finds_what_it_did() -> None:
    """What people copy from the guide works against an API of its form."""
    (code,) = re.findall(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    names: dict[str, Any] = {"__name__": "guide"}
    exec(compile(code, str(GUIDE), "exec"), names)  # noqa: S102 - the guide's own code
    tickets: list[dict[str, Any]] = []

    def serve(request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            if b"bad" in request.content:
                return httpx.Response(422, text="no such line")
            tickets.append({"id": len(tickets) + 1, "content": request.content})
            return httpx.Response(200, json={"id": len(tickets)})
        found = [t for t in tickets if request.url.params["reference"].encode() in t["content"]]
        return httpx.Response(200, json=[{"id": t["id"]} for t in found])

    effector = names["Tickets"](httpx.Client(base_url="https://t.example", transport=httpx.MockTransport(serve)))
    action = Action("k1", "inspect", {"line": "a"}, "e", "")
    assert effector.reconcile(action) is None
    assert effector.perform(action, 0) == Outcome("done", "ticket 1")
    assert effector.reconcile(action) == Outcome("done", "ticket 1")
    assert effector.perform(Action("k2", "inspect", {"line": "bad"}, "e", ""), 0).effect == "none"
    effector.close()
