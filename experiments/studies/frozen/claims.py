"""The primary claims."""

from __future__ import annotations

from experiments.nets.blocks import BASIC, KINDS
from experiments.studies.frozen.arms import FEW, LC, PLAIN, Arm, matched, pair
from experiments.studies.frozen.config import Config
from experiments.study.verdicts import Claim, Weights, mean, minus

PAPER = "Gavrikov & Keuper 2023"


def claims(config: Config) -> dict[str, Claim]:
    """From Gavrikov & Keuper 2023, with their numbers where the text gives them."""
    least, most = config.expansions[0], config.expansions[-1]
    narrow, wide = ((arm.name, "hits") for arm in matched(config.expansions))
    few, many = ((Arm(LC, learned=False, expansion=e).name, "hits") for e in (least, most))
    gaps = {kind: _gap(kind) for kind in KINDS}
    plain, (learned, fixed) = Arm(PLAIN, learned=True), pair(LC, most)
    drop = {arm: minus((arm.name, "clean hits"), (arm.name, "attacked hits")) for arm in (plain, learned, fixed)}
    return {
        "gap": Claim(
            f"From E={config.expansions[1]} on, frozen filters cost less than two points",
            {"learned - frozen, mean over E": mean([_gap(LC, e) for e in config.expansions[1:]])},
            "below",
            0.02,
            paper=PAPER,
        ),
        "crossover": Claim(
            "At equal learnable parameters, frozen filters win where they are few and lose where they are many",
            {f"E={least}: frozen - learned": minus(few, narrow), f"E={most}: learned - frozen": minus(wide, many)},
            margin=0.01,
            paper=PAPER,
        ),
        "size": Claim(
            "The gap between learned and frozen filters grows with the kernel",
            {
                f"gap at {config.largest}x{config.largest} - gap at 3x3": minus(
                    _gap(LC, least, config.largest), _gap(LC, least)
                )
            },
            margin=0.02,
            paper=PAPER,
        ),
        "attack": Claim(
            f"Under attack, nets with frozen filters lose less than the plain net (PGD, {config.epsilon}/255)",
            {"drop of frozen - drop of plain": minus(drop[fixed], drop[plain])},
            "below",
            margin=0.05,
            paper=PAPER,
        ),
        "freeze": Claim(
            "A net whose blocks have 1x1 convolutions can be frozen at a lower price than one of basic blocks",
            {
                "gap of BasicBlock - mean gap of the others": minus(
                    gaps[BASIC], mean([gaps[k] for k in KINDS if k != BASIC])
                )
            },
            margin=0.02,
            published=0.14,  # 16 points or more without 1x1 convolutions, 1.6 to 1.9 with them
            paper=PAPER,
        ),
        "bank": Claim(
            "what it costs to share 8 filters in the whole net, frozen ones and learned ones",
            {
                f"own filters - one bank of {FEW}, {'learned' if one.learned else 'frozen'}": minus(
                    (own.name, "hits"), (one.name, "hits")
                )
                for own, one in zip(pair(LC, config.studied), pair(LC, config.studied, bank=FEW), strict=True)
            },
            secondary=True,
        ),
        "frozen or LC": Claim(
            "whether freezing or the LC blocks change the drop",
            {f"drop of frozen - drop of learned, E={most}": minus(drop[fixed], drop[learned])},
            secondary=True,
        ),
        "attacked": Claim(
            "accuracy under attack; where it is near zero, drops are clean accuracies",
            {"attacked, frozen - plain": minus((fixed.name, "attacked hits"), (plain.name, "attacked hits"))},
            secondary=True,
        ),
    }


def _gap(*net: object) -> Weights:
    learned, frozen = pair(*net)
    return minus((learned.name, "hits"), (frozen.name, "hits"))
