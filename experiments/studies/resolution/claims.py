"""The primary claim."""

from __future__ import annotations

from experiments.nets.filters import PERIODIC
from experiments.studies.resolution.run import IMAGE, LIMITED, Config
from experiments.study.verdicts import Claim, Key, mean, minus
from experiments.tasks.scenes import OBJECTS


def claims(config: Config) -> dict[str, Claim]:
    """Where everything grows, coordinates that grow with it should keep more."""

    def kept(name: str, prefix: str = "") -> dict[Key, float]:
        trained = (name, f"{OBJECTS} {config.scene.canvas}")
        return mean([minus((name, f"{prefix}{OBJECTS} {size}"), trained) for size in config.canvases])

    canvases = " and ".join(map(str, config.canvases))
    return {
        "objects": Claim(
            "Where objects grow with the image, image coordinates with a band limit lose less accuracy than periodic "
            "ones",
            {f"change at {canvases} px, image - periodic": minus(kept(IMAGE, f"{LIMITED} "), kept(PERIODIC))},
        )
    }
