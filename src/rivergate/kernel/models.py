"""Imported models: a pickle, and who vouched for it. Content-addressed, signed on import, never unpickled before both hold.

The name is the SHA-256 of the whole file, so a journal that names it names who imported it, when and why too. They lie
beside the snapshots, under `models/`, and nothing ever deletes one: a journal may name it, and journals are kept for ever.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from rivergate.domain.errors import BadInput
from rivergate.domain.journal import Adopted
from rivergate.domain.signing import SigningKey, VerifyingKey
from rivergate.kernel.sealed import seal, unseal
from rivergate.kernel.shard import ShardSpec
from rivergate.ports import Adopts, Blobs, Fold

_MARK = b"RGMODEL1\n"
_PREFIX = re.compile(r"[0-9a-f]{4,64}")
LOADED_BY = ("river", "numpy")
"""What has to be of the same version where a model is first adopted as where it was imported."""


@dataclass(frozen=True, slots=True)
class ModelNote:
    """What is said of a model when it is imported: who (`who`), when (`at`, RFC 3339) and `why`, its `make`, where it comes
    from (`source`: the name and SHA-256 of a file, or of a snapshot), and the `versions` that it was loaded with.
    """

    who: str
    at: str
    why: str
    make: str
    source: dict[str, str]
    versions: dict[str, str]


@dataclass(frozen=True, slots=True)
class ImportedModel:
    """A model as it is kept; `content` is a pickle whose signature held."""

    digest: str
    note: ModelNote
    content: bytes

    @property
    def adopted(self) -> Adopted:
        """As a commit record names it."""
        return Adopted(self.digest, self.note.who, self.note.why)


class ModelStore:
    """Models of one app in a blob store. Any thread."""

    def __init__(self, blobs: Blobs, app: str, key: SigningKey | VerifyingKey) -> None:
        self._blobs = blobs
        self._app = app
        self._key = key

    def put(self, note: ModelNote, content: bytes) -> str:
        """Sign and store durably; returns the digest. Raises `ConfigError` where the key is a public one."""
        sealed = seal(_MARK, {"app": self._app, **asdict(note)}, content, self._key)
        digest = hashlib.sha256(sealed).hexdigest()
        self._blobs.put(self._name(digest), sealed)
        return digest

    def get(self, digest: str) -> ImportedModel:
        """The model of that digest. Raises `BadInput` where it is missing, altered, or not signed by this app's key."""
        name = self._name(digest)
        try:
            sealed = self._blobs.get(name)
        except KeyError as e:
            raise BadInput("this model isn't in the store", where=name, remedy=_RESTORE) from e
        if hashlib.sha256(sealed).hexdigest() != digest:
            raise BadInput("this model's bytes don't hash to its name, so it isn't loaded", where=name, remedy=_RESTORE)
        try:
            head, content = unseal(_MARK, sealed, self._key.public)
        except ValueError as e:
            raise BadInput(
                "this model isn't signed by this app's key, so it isn't loaded", where=name, remedy=_IMPORT
            ) from e
        if head.pop("app") != self._app:
            raise BadInput("this model was imported for another app", where=name, remedy=_IMPORT)
        return ImportedModel(digest, ModelNote(**head), content)

    def digests(self) -> list[str]:
        """Of all models that lie there, whether they hold or not."""
        return [name.rpartition("/")[2] for name in self._blobs.names(f"{self._app}/models/")]

    def find(self, prefix: str) -> str:
        """The one digest that begins so. Raises `BadInput`."""
        if not _PREFIX.fullmatch(prefix):
            raise BadInput(f"{prefix!r} is no model's digest", remedy="write at least its first four hex digits")
        found = [d for d in self.digests() if d.startswith(prefix)]
        if len(found) == 1:
            return found[0]
        listed = f"`rivergate models list --app {self._app}` shows them"
        if found:
            raise BadInput(
                f"{len(found)} models of app {self._app} begin with {prefix}", remedy=f"write more of it; {listed}"
            )
        raise BadInput(f"app {self._app} has no model {prefix}", remedy=f"import it first; {listed}")

    def _name(self, digest: str) -> str:
        return f"{self._app}/models/{digest}"


def adopt(spec: ShardSpec, fold: Fold, model: ImportedModel) -> None:
    """Have a shard's fresh fold take a model over. Raises `BadInput` where it can't, or doesn't want to."""
    where = f"{spec.name}, model {model.digest[:12]}"
    if not isinstance(fold, Adopts):
        raise BadInput("only agents adopt models", where=where, remedy="start without --model for this stage")
    try:
        fold.adopt(model.content)
    except BadInput as e:
        raise BadInput(e.what, where=where, remedy=e.remedy) from e


def demand_same_versions(model: ImportedModel, versions: Mapping[str, str]) -> None:
    """Raises `BadInput` where River or NumPy isn't what the model was imported with."""
    then = model.note.versions
    changed = [f"{k} was {then[k]}, here is {versions[k]}" for k in LOADED_BY if then.get(k) != versions.get(k)]
    if changed:
        raise BadInput(
            f"model {model.digest[:12]} was imported with other versions: {'; '.join(changed)}",
            remedy="install those, or import the model again under these, which tries whether it still loads",
        )


_RESTORE = "restore the snapshot store from its backup, or import the model again: `rivergate models import`"
_IMPORT = "import it with this app's key: `rivergate models import`"
