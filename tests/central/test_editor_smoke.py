from tests.central.county import SmallCentre
from tests.central.test_pages import looked_over


def test_smoke(county: SmallCentre) -> None:
    b = county.sign_in("sun")
    code = county.item()["code"]
    for p in (
        ["/items", "/items/checks", "/items/new", "/items/libraries", f"/items/{code}"]
        + [f"/items/libraries/{n}" for n in ("directory", "type", "law", "department", "system", "blank")]
        + [f"/items/libraries/{n}/new" for n in ("directory", "type", "law", "department", "system", "blank")]
    ):
        print(p)
        looked_over(b.get(p))
