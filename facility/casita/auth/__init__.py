"""Who calls, and what they may do: hub tokens (:mod:`.hub`), storage tokens (:mod:`.verifier`)."""

from casita.auth.hub import HubUser, bearer, could_be_token, user_of
from casita.auth.scopes import Scope, normalised

__all__ = ["HubUser", "Scope", "bearer", "could_be_token", "normalised", "user_of"]
