"""Why the review service doesn't write a decision. The gate judges again whatever is written."""

from __future__ import annotations

from typing import ClassVar

from rivergate.domain.errors import RivergateError


class ReviewError(RivergateError):
    """Root of what a reviewer can be told. `code` is for programs, `status` the HTTP status that fits."""

    code: ClassVar[str] = "review_error"
    status: ClassVar[int] = 400


class ReviewNotFound(ReviewError):
    """No review or action has this id. `near` are ids that begin alike."""

    code = "not_found"
    status = 404

    def __init__(self, what: str, *, near: tuple[str, ...] = (), remedy: str = "") -> None:
        super().__init__(what, remedy=remedy)
        self.near = near


class IdAmbiguous(ReviewNotFound):
    """Several ids begin with what was given."""

    code = "ambiguous"
    status = 409


class ReviewSettled(ReviewError):
    """The review has its result already."""

    code = "settled"
    status = 409


class ReviewExpired(ReviewError):
    """The deadline has passed."""

    code = "expired"
    status = 409


class ReviewChanged(ReviewError):
    """The review isn't any more what the reviewer saw."""

    code = "changed"
    status = 409


class OwnProposal(ReviewError):
    """Nobody approves what they stand behind."""

    code = "own_proposal"
    status = 403


class RoleMissing(ReviewError):
    """The review takes a role that the reviewer doesn't hold."""

    code = "role_missing"
    status = 403


class DecisionConflict(ReviewError):
    """The decision's id was used for another decision."""

    code = "conflict"
    status = 409


class DecisionMalformed(ReviewError):
    """A field of the decision can't be."""

    code = "malformed"
    status = 422


class NothingToResolve(ReviewError):
    """The action's outcome isn't unknown."""

    code = "nothing_to_resolve"
    status = 409
