# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every error the library raises, split by what the caller does next.

::

    HoldfastError
    ├── PolicyError                  correct the inventory or the task, run again
    │   └── DependencyMissingError   install what is named
    ├── RunError                     the run's own order is broken: open, snapshot, seal
    │   ├── RunAbandonedError        the controlling process is gone: put nothing more
    │   ├── EmptyPointError          no host gave anything to seal: correct what failed
    │   ├── IncompleteError          sealed, but not whole: look at the hosts it names
    │   └── ReplicaBehindError       sealed, but not at a replica that is waited for: replicate
    ├── CatalogError                 the file of the catalog cannot be used: give room and rights, or do without it
    │   ├── DamagedCatalogError      it is none, or damaged: it is made anew
    │   └── BusyCatalogError         another process holds it: go on with what is there, or try again
    ├── CaptureError                 the host or device did not give its configuration
    │   ├── UnreadableError          grant the right, exclude the path, or leave it out by policy
    │   ├── TooLargeError            narrow the component or raise the cap
    │   ├── RefusedItemError         name other items, or grant the right: the device refused these
    │   └── ConnectionLostError      the host was not reached, or went away
    ├── RestoreError                 the restore did not happen, or not in full
    │   ├── NotFoundError            name another host, time, point or component
    │   ├── UndoneError              it was taken back and the host is as it was: correct the cause, restore again
    │   └── MismatchError            what came back is not what was sealed
    ├── FormatError                  bytes that are not believed: nothing of them is used
    │   ├── UnknownVersionError      a newer collection wrote this
    │   ├── IntegrityError           the bytes are not those the name or the digest promises
    │   ├── SignatureError           nobody whom the root knows signed this
    │   │   └── RemovedKeyError      somebody whom it knows no longer: look whether it was known then
    │   ├── HostileArchiveError      an archive that would write where it must not
    │   └── NameRefusedError         a name that must not become a path
    ├── TrustError                   the pin and the repository do not agree: stop
    ├── KeyringError                 the keyring did not answer as asked
    │   ├── KeyMissingError          this half or this key is not here: take it to where it is
    │   │   └── KeyDestroyedError    people had it destroyed: restore what another key opens
    │   ├── WrongKeyError            the key is there, and is another one
    │   └── StampMissingError        a time stamp is required, and the authority gave none: a later run asks again
    ├── MirrorError                  git did not take it: nothing sealed is touched, mirror again
    ├── MailError                    the mail server did not take it: correct what it names, tell owners again
    ├── TicketError                  the change ticket cannot be used as it is: correct it, or name another
    │   ├── TicketMissingError       its server has none of that id: name another
    │   └── TicketServerError        its server was not reached or not understood: try again
    ├── UnsoundError                 verify found a broken promise: read its findings
    └── StoreError                   the store did not do what was asked
        ├── ObjectMissingError       no such object or version
        ├── DeniedError              the credential lacks this right
        │   └── ExpiredError         the credential has ended: renew it
        ├── ArchivedError            ask the store to bring it back first
        ├── NotLockedError           stored, but without the lock asked for
        ├── CorruptError             the store's own structure is broken there
        ├── FullError                no room left
        └── TransientError           try again
            ├── ThrottledError       later, and slower
            └── UnavailableError     the store, or the server of the keyring, is not reached
"""

from __future__ import annotations

from collections.abc import Mapping


class HoldfastError(Exception):
    """Root of the tree: the one type the adapter turns into a failed task.

    :param message: what happened, one sentence without the final stop; never configuration content, never a secret.
    :param host: the inventory host it happened to.
    :param item: the object, file, key or option it happened to.
    :param remedy: what to do next, one sentence.
    :param details: figures that the failed task's result holds as well.
    """

    def __init__(
        self,
        message: str,
        *,
        host: str | None = None,
        item: str | None = None,
        remedy: str | None = None,
        details: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.host = host
        self.item = item
        self.remedy = remedy
        self.details = dict(details or {})

    def __str__(self) -> str:
        where = ", ".join(f"{label} {value}" for label, value in (("host", self.host), ("item", self.item)) if value)
        text = f"{self.message} ({where})" if where else self.message
        return f"{text}. {self.remedy.rstrip('.')}." if self.remedy else text

    def at(self, host: str) -> HoldfastError:
        """Return this error, naming the host where that was not known deeper down."""
        self.host = self.host or host
        return self


class PolicyError(HoldfastError):
    """What the inventory or the task says cannot be carried out."""


class DependencyMissingError(PolicyError):
    """A Python library this repository or keyring needs is not installed on the controller."""


class RunError(HoldfastError):
    """A step of a run came out of order, or its run folder is not usable."""


class RunAbandonedError(RunError):
    """The process that controls this run has ended; a worker must put nothing more."""


class EmptyPointError(RunError):
    """A recovery point would hold no stream at all."""


class IncompleteError(RunError):
    """A recovery point was sealed that does not hold every expected stream."""


class ReplicaBehindError(RunError):
    """A replica lacks what the repository has, and a run was to wait for it."""


class CatalogError(HoldfastError):
    """The file that the catalog is kept in cannot be used as it is."""


class DamagedCatalogError(CatalogError):
    """The file of the catalog is none, or damaged: nothing in it is believed."""


class BusyCatalogError(CatalogError):
    """Another process has held the file of the catalog for longer than one waits."""


class CaptureError(HoldfastError):
    """A host or device did not give its configuration whole."""


class UnreadableError(CaptureError):
    """Declared paths exist and could not be read."""


class TooLargeError(CaptureError):
    """A component holds more than its cap."""


class RefusedItemError(CaptureError):
    """A device says that it does not know, or does not allow, what it was asked for."""


class ConnectionLostError(CaptureError):
    """The host was not reached, or the answer broke off."""


class RestoreError(HoldfastError):
    """A restore did not happen, or not in full."""


class UndoneError(RestoreError):
    """A restore in place failed and was taken back: the host is as it was, but for paths that ``details`` names."""


class NotFoundError(RestoreError):
    """No sealed recovery point holds what was asked for."""


class MismatchError(RestoreError):
    """What was captured after the restore is not what was sealed."""


class FormatError(HoldfastError):
    """Bytes that do not follow the format; nothing of them is used."""


class UnknownVersionError(FormatError):
    """A format version, or a critical field, that this collection does not know."""


class IntegrityError(FormatError):
    """Bytes that do not have the digest their name or their statement promises."""


class SignatureError(FormatError):
    """No valid signature by a key that the root allows here."""


class RemovedKeyError(SignatureError):
    """A key signed this that was removed from the root, and nothing shows that it was known then."""


class HostileArchiveError(FormatError):
    """An archive with members that must not be written."""


class NameRefusedError(FormatError):
    """A name that must not become part of a path."""


class TrustError(HoldfastError):
    """The repository is not the one that the inventory pins."""


class KeyringError(HoldfastError):
    """The keyring did not do what was asked."""


class KeyMissingError(KeyringError):
    """The key, or this half of the keyring, is not here."""


class KeyDestroyedError(KeyMissingError):
    """The key was destroyed, as enough people had signed: nothing under it opens any more."""


class WrongKeyError(KeyringError):
    """The key is here and does not open or sign this."""


class StampMissingError(KeyringError):
    """A time stamp is required, and the authority did not give one."""


class MirrorError(HoldfastError):
    """The git repository of a mirror did not do what was asked."""


class MailError(HoldfastError):
    """A mail server was not reached, or did not take a message."""


class TicketError(HoldfastError):
    """A change ticket cannot be used as it is, or its server refuses to show it."""


class TicketMissingError(TicketError):
    """The server has no ticket of that id, or does not show it to this credential."""


class TicketServerError(TicketError):
    """The server of the tickets was not reached, or not understood: nothing is known of the ticket."""


class UnsoundError(HoldfastError):
    """A repository was verified, and a promise of it is broken."""


class StoreError(HoldfastError):
    """The store did not do what was asked; the only type that leaves a store."""


class ObjectMissingError(StoreError):
    """The store holds no such object, or no such version of it."""


class DeniedError(StoreError):
    """The store refused: the credential lacks this right."""


class ExpiredError(DeniedError):
    """The store refused: the credential was good for a time, which is over."""


class ArchivedError(StoreError):
    """The object rests in an archive class and must be brought back first."""


class NotLockedError(StoreError):
    """The object was stored without the lock that was asked for."""


class CorruptError(StoreError):
    """The store's own structure is damaged at this place."""


class FullError(StoreError):
    """The store has no room left."""


class TransientError(StoreError):
    """The same call may succeed later."""


class ThrottledError(TransientError):
    """The store asks for fewer calls."""


class UnavailableError(TransientError):
    """The store is not reached, or its answer broke off; the server of a keyring too, where keys are on one."""
