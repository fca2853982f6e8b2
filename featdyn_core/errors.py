"""The one family of errors: each message names the thing at fault and the mend."""

from collections.abc import Sequence


class FeatdynError(Exception):
    """Base of every error that featdyn raises on bad input."""


class RecipeError(FeatdynError):
    """A recipe, claim register or claim that cannot be read or that contradicts itself."""


class DataError(FeatdynError):
    """A data set that is missing, damaged, of the wrong form, or too small for what is asked."""


class AbsentDataError(DataError):
    """A data set that is not here and could not be fetched: what needs it is not run."""


class ModelError(FeatdynError):
    """An unknown network or cut, or a state that does not fit the network."""


class CheckpointError(FeatdynError):
    """Checkpoints from elsewhere that are not those of one training, or that leave nothing to look at."""


class MeasurementError(FeatdynError):
    """A measurement asked for something undefined: wrong shapes, epochs out of range, too few seeds."""


class TrainingError(FeatdynError):
    """Training cannot start or go on: a loss that is not finite, a device out of memory."""


class DeviceError(FeatdynError):
    """A device was asked for that this machine does not have."""


class StoreError(FeatdynError):
    """The store of trajectories cannot be read or written."""


class MissingTrajectoryError(StoreError):
    """A trajectory that is not in the store, where training it was not allowed."""


class DamagedTrajectoryError(StoreError):
    """A stored trajectory whose bytes or manifest are not what was written."""


class OtherCodeError(StoreError):
    """A stored trajectory of a network that its maker's code makes otherwise now."""


class MissingRecordError(StoreError):
    """A record that is not there, where measuring it was not allowed."""


class DamagedRecordError(StoreError):
    """A record whose bytes or description are not what was written, or that belongs to something else."""


class DamagedTransferError(StoreError):
    """Something in a remote store that is not what it is called there."""


class SignatureError(FeatdynError):
    """A signature that is missing, that is not of what was signed, or that cannot be verified here."""


class EvidenceError(FeatdynError):
    """An evidence file that cannot be read, or that was written by another schema version."""


def together(errors: Sequence[FeatdynError]) -> FeatdynError:
    """Return one error for all; of the kind of the first that is more than something absent."""
    absent = (AbsentDataError, MissingTrajectoryError)
    first = next((error for error in errors if not isinstance(error, absent)), errors[0])
    return type(first)("; ".join(dict.fromkeys(map(str, errors)))) if len(errors) > 1 else first
