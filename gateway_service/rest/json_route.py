"""Routes that take a request at its word: strict JSON, and no query parameter that there is not."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import orjson
from fastapi import params
from fastapi.dependencies.utils import get_flat_params
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response
from typing_extensions import override


class JsonRequest(Request):
    """A body as JSON says it: no NaN, no lone surrogates, no nesting without end."""

    @override
    async def json(self) -> Any:
        """The body's value; raises json.JSONDecodeError."""
        return orjson.loads(await self.body())


class JsonRoute(APIRoute):
    """The route class of every router of ours."""

    @override
    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, behind a look at the query's names."""
        handle = super().get_route_handler()
        fields = get_flat_params(self.dependant)
        known = {field.alias for field in fields if isinstance(field.field_info, params.Query)}

        async def handler(request: Request) -> Response:
            given = [name for name, _ in request.query_params.multi_items()]
            faults = [_fault(name, known, given.count(name)) for name in dict.fromkeys(given)]
            if any(faults):
                raise RequestValidationError([fault for fault in faults if fault])
            return await handle(JsonRequest(request.scope, request.receive))

        return handler


def _fault(name: str, known: set[str], times: int) -> dict[str, Any] | None:
    if name not in known:
        said = f"there is no such parameter; there is: {', '.join(sorted(known)) or 'none'}"
    elif times > 1:
        said = f"given {times} times"
    else:
        return None
    return {"type": "query_parameter", "loc": ("query", name), "msg": said}
