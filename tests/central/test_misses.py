"""What the stations' people did not find, added up at the county; what no station signed is not."""

from __future__ import annotations

from random import Random

from casework.documents import misses
from casework.times import Hlc, milliseconds
from central.misses import Offer
from provisioning.register import station_database
from sync.replicator import replicate
from tests.central.county import TOWNSHIP, VILLAGE, SmallCentre

CODE = "60010100MZ-JF-0007"


def test_the_county_adds_up_what_its_stations_tell(county: SmallCentre) -> None:
    for code in (VILLAGE, TOWNSHIP):
        one = county.enrol(code)
        for minute, key in enumerate((one.key, one.key, None)):
            record = misses.compose(
                station=code,
                at=Hlc(milliseconds(county.now()) + minute, 0, code),
                asked=[
                    {"text": "老汉钱", "times": 2, "item": CODE},
                    {"text": "老汉钱", "times": 1, "item": None},
                    {"text": f"只在{code[-3:]}问", "times": 1, "item": None},
                ],
                key=one.key.id,
                sign=key.sign if key is not None else lambda _payload: "A" * 86,
            )
            one.cases.save([record], writer=one.writer)
        target = county.centre.databases.open(station_database(code)).as_writer(one.writer)
        replicate(one.cases, target, now=county.now, random=Random(4))
    county.centre.catch_up()
    county.centre.catch_up()
    first, *others = county.centre.misses.offers()
    assert first == Offer("老汉钱", 12, 2, ((CODE, 8),))
    assert {(one.text, one.times, one.stations) for one in others} == {
        (f"只在{code[-3:]}问", 2, 1) for code in (VILLAGE, TOWNSHIP)
    }
    assert [one.text for one in county.centre.misses.offers(least=3)] == ["老汉钱"]
