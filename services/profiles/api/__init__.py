"""The door for calls: request → use-case → response."""

from services.profiles.api.servicer import ProfilesServicer

__all__ = ["ProfilesServicer"]
