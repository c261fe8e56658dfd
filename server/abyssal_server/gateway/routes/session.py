"""Login and logout of the web page."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from abyssal_server.access import Caller
from abyssal_server.errors import Unauthenticated
from abyssal_server.gateway.problems import problems
from abyssal_server.gateway.schemas import CallerOutput, LoginInput, SessionOutput, time_text
from abyssal_server.gateway.sessions import COOKIE, Session
from abyssal_server.gateway.state import peer_of, session_of, state_of

router = APIRouter(tags=["session"])


@router.get("/session", summary="Who is logged in", responses=problems(503))
def read_session(request: Request) -> SessionOutput:
    """Say who calls, and what the token against forged requests is."""
    state = state_of(request)
    session = session_of(request)
    if session is not None:
        return _output(request, session.caller, session)
    try:
        caller: Caller | None = state.gate.caller("", peer_of(request))
    except Unauthenticated:
        caller = None
    return _output(request, caller, None)


@router.post("/session", summary="Log in", responses=problems(401, 403, 422, 429, 503))
def begin_session(request: Request, response: Response, login: LoginInput) -> SessionOutput:
    """Exchange a key for a cookie that scripts cannot read."""
    state = state_of(request)
    state.limit(f"login:{peer_of(request)}", state.settings.logins_per_minute)
    session = state.sessions.begin(login.key.strip(), peer_of(request))
    response.set_cookie(
        COOKIE, session.cookie, max_age=int(3600 * state.settings.session_hours), httponly=True, samesite="strict",
        secure=state.settings.secure_cookies, path="/",
    )  # fmt: skip
    response.headers["Cache-Control"] = "no-store"
    return _output(request, session.caller, session)


@router.delete("/session", status_code=204, summary="Log out", responses=problems(403, 503))
def end_session(request: Request) -> Response:
    """End the login at hand."""
    session = session_of(request)
    if session is not None:
        state_of(request).sessions.end(session.cookie)
    response = Response(status_code=204)
    response.delete_cookie(COOKIE, path="/")
    return response


def _output(request: Request, caller: Caller | None, session: Session | None) -> SessionOutput:
    shown = CallerOutput(
        id=caller.id if caller else peer_of(request),
        role=caller.role.word if caller else None,
        known=bool(caller and caller.known),
    )
    return SessionOutput(
        open=state_of(request).gate.open,
        caller=shown,
        csrf_token=session.csrf_token if session else None,
        expires=time_text(session.expires) if session else None,
    )
