"""The application with the middleware for Django."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse, JsonResponse, QueryDict
from django.urls import path
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from sessiond_client import connect
from sessiond_client.django import (
    Sessions,
    append_cookies,
    check_login,
    log_in,
    log_out,
    session_optional,
    session_required,
    start_login,
)

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication


def create_app(url: str) -> WSGIApplication:
    """Return the application. A process can have one."""
    settings.configure(
        ALLOWED_HOSTS=["*"],
        MIDDLEWARE=["sessiond_client.django.SessiondMiddleware"],
        ROOT_URLCONF=__name__,
        SECRET_KEY="not used",  # noqa: S106
        SESSIOND={"ADDRESS": url},
    )
    route_of_acme(url)
    return get_wsgi_application()


def route_of_acme(url: str) -> None:
    """Add the route of the tenant: the setting has no tenant."""
    acme = Sessions(connect(url), tenant="acme")
    urlpatterns.append(path("acme/me", acme.required(me)))


@require_http_methods(["GET", "POST"])
def login(request: HttpRequest) -> HttpResponse:
    """Show the login form, or log in."""
    if request.method == "GET":
        form = start_login(request)
        response = JsonResponse({"csrfToken": form.csrf_token})
        append_cookies(response, form)
        return response
    check_login(request)
    result = log_in(
        request, actor_id=request.POST["user"], tenant_id=request.POST.get("tenant", "")
    )
    response = JsonResponse({"actorId": result.session.actor_id, "csrfToken": result.csrf_token})
    append_cookies(response, result)
    return response


@require_safe
def me(request: Any) -> HttpResponse:
    """Say who is logged in. The route decides how."""
    current = request.sessiond
    return JsonResponse(
        {
            "actorId": current.session.actor_id,
            "tenantId": current.session.tenant_id,
            "sessionId": current.session.id,
            "secondsLeft": current.seconds_left,
            "expiryWarning": current.expiry_warning,
        }
    )


@session_required
@require_http_methods(["POST", "PUT", "PATCH", "DELETE"])
def change(request: Any) -> HttpResponse:
    """Change something."""
    note = QueryDict(request.body).get("note", "")
    return JsonResponse({"actorId": request.sessiond.session.actor_id, "body": note})


@session_optional
@require_http_methods(["GET", "POST"])
def maybe(request: Any) -> HttpResponse:
    """Say who is logged in, if anybody is."""
    current = request.sessiond
    return JsonResponse({"actorId": current.session.actor_id if current else None})


@session_required
@require_POST
def logout(request: HttpRequest) -> HttpResponse:
    """Log out."""
    result = log_out(request)
    response = JsonResponse({"revoked": result.revoked})
    append_cookies(response, result)
    return response


urlpatterns = [
    path("login", login),
    path("me", session_required(me)),
    path("change", change),
    path("optional", maybe),
    path("logout", logout),
]
