"""The errors of featdyn: each message names the faulty thing and the remedy."""

from collections.abc import Sequence


class FeatdynError(Exception):
    """Base of every error that featdyn raises on bad input."""


class RecipeError(FeatdynError):
    """A recipe, claim register or claim that cannot be read or that contradicts itself."""


class DataError(FeatdynError):
    """A data set that is missing, damaged, of the wrong form, or too small for the request."""


class AbsentDataError(DataError):
    """A data set that is absent and could not be fetched; the rows that need it do not run."""


class ModelError(FeatdynError):
    """An unknown network or cut, or a state that does not fit the network."""


class CheckpointError(FeatdynError):
    """Adopted checkpoints that do not belong to one training, or that leave nothing to measure."""


class MeasurementError(FeatdynError):
    """An undefined measurement: wrong shapes, epochs out of range, or too few seeds."""


class TrainingError(FeatdynError):
    """A training that cannot start or continue: its loss is not finite, or a device is out of memory."""


class DeviceError(FeatdynError):
    """A device that this machine does not have."""


class StoreError(FeatdynError):
    """A store of trajectories that cannot be read or written."""


class MissingTrajectoryError(StoreError):
    """A trajectory that is not in the store, while training it is not allowed."""


class DamagedTrajectoryError(StoreError):
    """A stored trajectory whose bytes or manifest have changed since they were written."""


class OtherCodeError(StoreError):
    """A stored trajectory whose network is built differently by the present code of its author."""


class MissingRecordError(StoreError):
    """A record that is missing, while measuring it is not allowed."""


class DamagedRecordError(StoreError):
    """A record whose bytes or description have changed since they were written, or that belongs to something else."""


class DamagedTransferError(StoreError):
    """An object in a remote store whose content does not match its name."""


class SignatureError(FeatdynError):
    """A signature that is missing, does not match the signed content, or cannot be verified here."""


class EvidenceError(FeatdynError):
    """An evidence file that cannot be read, or that was written by another schema version."""


def together(errors: Sequence[FeatdynError]) -> FeatdynError:
    """Return one error for all, with the class of the first that is not about an absent thing."""
    absent = (AbsentDataError, MissingTrajectoryError)
    first = next((error for error in errors if not isinstance(error, absent)), errors[0])
    return type(first)("; ".join(dict.fromkeys(map(str, errors)))) if len(errors) > 1 else first
