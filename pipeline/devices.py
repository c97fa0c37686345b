"""What devices are called: `CPU`, `GPU.1`, `AUTO:GPU,CPU`, `HETERO:GPU,CPU`, `BATCH:CPU(4)`.

A text is read before OpenVINO sees it, whose own words for what it does not know are places in C++.
"""

import re
from collections.abc import Collection
from typing import NamedTuple, Self

from pipeline.errors import DeviceError

PLAIN = ("CPU", "GPU", "NPU")
OVER_OTHERS = ("AUTO", "HETERO", "MULTI", "BATCH")
_LEFT = {"GNA": 2024} | dict.fromkeys(("HDDL", "MYRIAD", "NCS", "NCS2", "VPU", "VPUX"), 2023)
_COUNTED = ("MULTI", "AUTO", "BATCH")  # these take `CPU(4)`: requests, or items of a batch
_EXCLUDING = ("MULTI", "AUTO")  # these take `-GPU`
_PART = re.compile(r"(?P<minus>-?)(?P<name>[A-Z]\w*(\.\w+)?)(\((?P<number>[1-9][0-9]{0,5})\))?")


class Part(NamedTuple):
    """A device of a list.

    Args:
        name: as `GPU.1`.
        number: its requests, or the items of a batch; None leaves it to OpenVINO.
        is_excluded: AUTO and MULTI are to leave it alone.
    """

    name: str
    number: int | None = None
    is_excluded: bool = False

    def __str__(self) -> str:
        number = f"({self.number})" if self.number else ""
        return f"{'-' * self.is_excluded}{self.name}{number}"


class Requested(NamedTuple):
    """What somebody asked for; its text is what OpenVINO takes.

    Args:
        over: AUTO, HETERO, MULTI or BATCH; empty for a device by itself.
        parts: the devices, the preferred one first; none for all there are.
        left_out: why some of those that were asked for are not among them.
    """

    over: str
    parts: tuple[Part, ...]
    left_out: tuple[str, ...] = ()

    def __str__(self) -> str:
        names = ",".join(map(str, self.parts))
        return ":".join(filter(None, (self.over, names)))

    @classmethod
    def parse(cls, text: str) -> Self:
        """What a text asks for, in capital or small letters.

        Raises:
            DeviceError: it is none, or of a device that left OpenVINO.
        """
        given = text.strip().upper()
        head, colon, listed = given.partition(":")
        over = head if head in OVER_OTHERS else ""
        if colon and not over:
            raise DeviceError(f"device {text!r}: {head!r} takes no list: {list(OVER_OTHERS)} do")
        if over and not colon:
            if over == "BATCH":
                raise DeviceError(f"device {text!r}: want the device too, as BATCH:CPU(4)")
            return cls(over, ())
        if "," in given and not over:
            raise DeviceError(f"device {text!r}: want AUTO:, HETERO: or MULTI: before a list")
        names = (listed if over else given).split(",")
        return cls(over, tuple(_part(name.strip(), over, text) for name in names))._checked(text)

    def here(self, have: Collection[str]) -> Self:
        """What of it can be used where OpenVINO offers these devices.

        Those that a list names beside others are left out, and it says why.

        Raises:
            DeviceError: nothing is left of it.
        """
        if self.over in ("HETERO", "MULTI") and not self.parts:
            return self._replace(parts=tuple(map(Part, have)))
        reasons = {p: absence(p.name, have) for p in self.parts if not p.is_excluded}
        left_out = tuple(why for why in reasons.values() if why)
        if left_out and len(left_out) == len(reasons):
            raise DeviceError("; ".join(left_out))
        return self._replace(
            parts=tuple(p for p in self.parts if not reasons.get(p)), left_out=left_out
        )

    def _checked(self, text: str) -> Self:
        if self.over == "BATCH" and len(self.parts) > 1:
            raise DeviceError(f"device {text!r}: BATCH takes one device")
        for part in self.parts:
            if part.is_excluded and self.over not in _EXCLUDING:
                raise DeviceError(f"device {text!r}: only {list(_EXCLUDING)} leave devices out")
            if part.number and self.over not in _COUNTED:
                raise DeviceError(f"device {text!r}: only {list(_COUNTED)} take a number")
        return self


def gone(name: str) -> str | None:
    """Why a device that OpenVINO once had is none any more; None of all others."""
    if (year := _LEFT.get(name.upper().partition(".")[0])) is None:
        return None
    return f"device {name!r} left OpenVINO in {year}: NPU is its successor"


def absence(device: str, have: Collection[str]) -> str | None:
    """Why a device, or AUTO, is none of those that OpenVINO offers; None if it is."""
    if device == "AUTO" or any(device in (n, n.partition(".")[0], f"{n}.0") for n in have):
        return None
    if why := gone(device):
        return why
    lacking = "not there" if device.partition(".")[0] in PLAIN else "unknown"
    return f"device {device!r} is {lacking}: OpenVINO offers {sorted(have)}"


def _part(name: str, over: str, text: str) -> Part:
    if why := gone(name):
        raise DeviceError(why)
    if (found := _PART.fullmatch(name)) is None:
        raise DeviceError(f"device {text!r}: {name!r}: want a name, as CPU, GPU.1 or NPU")
    name = found["name"]
    if name in OVER_OTHERS:
        raise DeviceError(f"device {text!r}: {over} takes devices, and {name} is none")
    if name.startswith("CPU."):
        raise DeviceError(f"device {text!r}: there is one CPU device: want CPU")
    number = found["number"]
    return Part(name, int(number) if number else None, is_excluded=bool(found["minus"]))
