"""Questions and small services of every station, counted at the county; what no station signed is not."""

from __future__ import annotations

from random import Random

from casework.documents import enquiry
from casework.times import Hlc, milliseconds
from provisioning.register import station_database
from sync.replicator import replicate
from tests.central.county import AGENT, VILLAGE, SmallCentre


def test_the_county_counts_by_station_kind_and_month(county: SmallCentre) -> None:
    village = county.enrol(VILLAGE)
    for minute, key in enumerate((village.key, village.key, None)):
        at = Hlc(milliseconds(county.now()) + minute, 0, VILLAGE)
        record = enquiry.compose(
            station=VILLAGE,
            at=at,
            kind="materials",
            words="",
            item=None,
            item_name="",
            done="answered",
            channel="counter",
            by=AGENT.signature(),
            key=village.key.id,
            sign=key.sign if key is not None else lambda _payload: "A" * 86,
        )
        village.cases.save([record], writer=village.writer)
    target = county.centre.databases.open(station_database(VILLAGE)).as_writer(village.writer)
    replicate(village.cases, target, now=county.now, random=Random(4))
    county.centre.catch_up()
    [count] = county.centre.enquiries.counts(None, "2026-09")
    assert (count.station, count.kind, count.n) == (VILLAGE, "materials", 2)
    assert county.centre.enquiries.counts(None, "2026-08") == []
    page = county.sign_in("sun").get("/enquiries/counts")
    assert "柳树湾村便民服务站" in page
