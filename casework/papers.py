"""The papers (文书) of a case: which it has to offer now, under which number and version, and what stands in them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from casework.canonical import Document, content_hash
from casework.case import Case, Paper
from casework.documents.register import Register
from casework.flow import STEP_KINDS, Step, accepted_at_the_counter, step_of, stops_clock
from casework.kinds.decided import OUTCOMES
from casework.kinds.delivered import PROOFS, RECIPIENTS
from casework.kinds.proxy_appointed import SIGNED
from casework.kinds.suspended import PROCEDURES
from casework.rights import Actor, Refusal, entitled, place_in
from casework.times import civil_date, parse_rfc3339

Words = Mapping[str, Any]
"""What a county may say in its own words: `title, paragraphs, remedy, seal` (`casework.documents.paper`)."""

Values = Mapping[str, str]
"""What stands for each placeholder; empty where the case says nothing about it."""

STATION, OFFICE = "station", "office"


def _always(_case: Case, _event: Document) -> bool:
    return True


@dataclass(frozen=True)
class PaperKind:
    """One kind of paper (文书种类): `letters` stand in its number, `about` are the kinds of events that it tells of,
    and `offered` says for which of them. `issuer` is whose paper it is: the counter's that wrote the event, or the
    office's that decides. `parts` are its tables and lines besides the words, in their order. Of two `copies` one
    stays below the cut line. `remedy`: the law asks for the ways of redress on it.
    """

    code: str
    title: str
    letters: str
    about: frozenset[str]
    clause: str
    issuer: str = STATION
    copies: int = 2
    parts: tuple[str, ...] = ()
    remedy: bool = False
    offered: Callable[[Case, Document], bool] = _always
    straight: bool = False
    """May be printed without being issued: it only repeats what was taken in."""


def _step(case: Case, event: Document) -> Step | None:
    terms = case["item"]
    return step_of(terms.get("flow") if terms is not None else None, str(event["data"].get("step", "")))


def _of_step(*kinds: str) -> Callable[[Case, Document], bool]:
    def offered(case: Case, event: Document) -> bool:
        step = _step(case, event)
        return step is not None and step["kind"] in kinds

    return offered


def _accepted(case: Case, event: Document) -> bool:
    # An item without a flow counts as accepted at the counter, also where nobody wrote it down.
    terms = case["item"]
    if event["kind"] == "accepted":
        return True
    return case["deadlines"]["accepted_on"] is None and terms is not None and accepted_at_the_counter(terms)


def _is_special(case: Case, event: Document) -> bool:
    step = _step(case, event)
    return event["kind"] == "suspended" or (step is not None and stops_clock(step))


def _has_proxy(case: Case, event: Document) -> bool:
    return event["kind"] == "proxy_appointed" or bool(_people(case).get("proxy"))


def _certified(case: Case, _event: Document) -> bool:
    return bool(decision_words(case).get("certificate"))


def _not_certified(case: Case, event: Document) -> bool:
    # What a village attests is its own result, and no decision of an office.
    terms = case["item"]
    return not (_certified(case, event) and terms is not None and terms["decides"]["level"] == "village")


def _to_deliver(case: Case, event: Document) -> bool:
    # Of a decision that still has to be handed over there is a blank one, to take along on a visit.
    return event["kind"] == "delivered" or (case["state"] in ("decided", "closed") and case["delivery"] is None)


def _kinds(*names: str) -> frozenset[str]:
    return frozenset(names)


PAPERS: dict[str, PaperKind] = {
    kind.code: kind
    for kind in (
        PaperKind("application", "申请表", "SQ", _kinds("received"), "行政许可法第29条", copies=1,
                  parts=("facts", "form", "words", "sign_applicant", "thumbprint"), straight=True),
        PaperKind("taken_in", "接收回执", "JS", _kinds("received"), "行政许可法第32条",
                  parts=("facts", "words", "materials", "sign_both")),
        PaperKind("materials", "材料接收清单", "CL", _kinds("received"), "行政许可法第32条",
                  parts=("facts", "words", "materials", "sign_both")),
        PaperKind("proxy", "授权委托书", "WT", _kinds("received", "proxy_appointed"), "民法典第165条",
                  parts=("facts", "words", "sign_proxy", "thumbprint"), offered=_has_proxy),
        PaperKind("receipt", "受理回执", "SL", _kinds("accepted", "received"), "行政许可法第32条第2款",
                  parts=("facts", "words", "materials", "steps", "sign_both"), offered=_accepted, straight=True),
        PaperKind("correction", "一次性补正告知书", "BZ", _kinds("correction_requested"), "行政许可法第32条第1款第4项",
                  parts=("facts", "words", "points", "sign_both")),
        PaperKind("not_accepted", "不予受理通知书", "BS", _kinds("not_accepted"), "行政许可法第32条第2款",
                  parts=("facts", "words", "sign_both"), remedy=True, issuer=OFFICE),
        PaperKind("handover", "物料流转凭证", "LZ", _kinds("handed_over"), "代办材料交接规则",
                  parts=("words", "slip", "sign_handover")),
        PaperKind("inspection", "踏勘联系单", "TK", _kinds("step_started"), "行政许可法第34条第3款",
                  parts=("facts", "words", "sign_inspection"), offered=_of_step("inspection", "home_visit")),
        PaperKind("cohandling", "抄告单", "CG", _kinds("step_started"), "事项的办理流程（协办）",
                  parts=("facts", "words", "sign_opinion"), offered=_of_step("cohandling", "verification")),
        PaperKind("special", "特殊程序期限告知书", "TS", _kinds("suspended", "step_started"), "行政许可法第45条",
                  parts=("facts", "words", "sign_both"), issuer=OFFICE, offered=_is_special),
        PaperKind("suspension", "中止单", "ZT", _kinds("suspended"), "行政许可法第45条",
                  parts=("facts", "words", "sign_both")),
        PaperKind("extension", "延长办理期限通知书", "YC", _kinds("extended"), "行政许可法第42条",
                  parts=("facts", "words", "sign_both"), issuer=OFFICE),
        PaperKind("fee", "缴费通知书", "JF", _kinds("fee_noticed"), "行政许可法第58条、第59条",
                  parts=("facts", "words", "sign_both"), issuer=OFFICE),
        PaperKind("decision", "决定书", "JD", _kinds("decided"), "行政许可法第34条、第38条",
                  parts=("facts", "words", "sign_both"), remedy=True, issuer=OFFICE, offered=_not_certified),
        PaperKind("certificate", "证明", "ZM", _kinds("decided"), "事项的办理结果",
                  parts=("words",), issuer=OFFICE, offered=_certified),
        PaperKind("revocation", "撤销决定书", "CX", _kinds("decision_revoked"), "行政许可法第69条",
                  parts=("facts", "words", "sign_both"), remedy=True, issuer=OFFICE),
        PaperKind("ending", "终止单", "ZZ", _kinds("withdrawn", "returned", "voided", "proxy_ended"), "代办终止规则",
                  parts=("facts", "words", "sign_both")),
        PaperKind("delivery", "送达回证", "SD", _kinds("decided", "delivered"), "行政许可法第44条",
                  parts=("facts", "words", "delivered", "sign_delivery", "thumbprint"), offered=_to_deliver),
    )
}  # fmt: skip
"""Every paper, in the order in which a case comes by them."""

_OUTCOMES = frozenset({"decided", "not_accepted", "withdrawn", "returned", "voided", "decision_revoked"})


@dataclass(frozen=True)
class Offer:
    """A paper that the case has to offer: about which event, under which number, in which version as it stands now.

    `on` is the date that it bears. `says` marks what it says: another mark than the last one that was issued makes the
    next version. `issued` are all that were handed out under the number, oldest first. `obstacle` says why it cannot
    be issued now.
    """

    kind: PaperKind
    event: Document
    on: str
    number: str
    version: int
    says: str
    issued: tuple[Paper, ...]
    obstacle: str | None = None

    @property
    def about(self) -> str:
        identifier: str = self.event["_id"]
        return identifier

    @property
    def blank(self) -> bool:
        """To be filled in by hand where the result is handed over: printed as it is, and issued once that was done."""
        return self.kind.code == "delivery" and self.event["kind"] == "decided"

    @property
    def straight(self) -> bool:
        """Whether it may be printed without being issued."""
        return self.kind.straight or (self.blank and self.obstacle is None)

    @property
    def handed_out(self) -> list[Paper]:
        """What was issued of this very version: printing it once more is a reprint (补打)."""
        return [paper for paper in self.issued if paper["version"] == self.version]

    @property
    def reprinted(self) -> Paper | None:
        return next((paper for paper in reversed(self.handed_out) if paper["reprint"]), None)

    def act(self) -> dict[str, Any]:
        """The data of the `paper_issued` event that issues it, or issues it again."""
        return {
            "paper": self.kind.code,
            "number": self.number,
            "version": self.version,
            "about": self.about,
            "reprint": bool(self.handed_out),
            "says": self.says,
        }


def papers_of(case: Case, events: Iterable[Document]) -> list[Offer]:
    """The papers that this case has to offer now. `events` are its events in any order; what does not count makes no
    paper. A number once given stays: the first of its kind bears the letters alone, the next ones 2, 3 and so on."""
    if case["item"] is None:
        return []
    found = {event["_id"]: event for event in events}
    ordered = [found[name] for name in case["order"] if name in found]
    dated = dict(_dated(case, ordered))
    contested = any(point["topic"] == "outcome" for point in case["contested"])
    offers = []
    for kind in PAPERS.values():
        mine = [event for event in ordered if event["kind"] in kind.about and event["_id"] in dated]
        about = [event for event in mine if kind.offered(case, event)]
        for event, number in _numbered(case, kind, about):
            says = _mark(case, kind, event, dated[event["_id"]])
            issued = tuple(
                sorted((p for p in case["papers"] if p["number"] == number), key=lambda p: (p["version"], p["at"]))
            )
            obstacle = (
                "这件办件的结果有两个说法，先把争议定下来再出具。" if contested and event["kind"] in _OUTCOMES else None
            )
            offers.append(
                Offer(kind, event, dated[event["_id"]], number, _version(issued, says), says, issued, obstacle)
            )
    return offers


def may_issue(offer: Offer, actor: Actor, case: Case, register: Register) -> Refusal | None:
    """Whether this person may issue it: whoever may do what it tells of, and the counter that hands it out."""
    place = place_in(case)
    refusal = entitled("paper_issued", actor, place, case["item"], register=register)
    if refusal is not None or actor.station in {place.home, place.handler}:
        return refusal
    event = offer.event
    return entitled(event["kind"], actor, place, case["item"], register=register, data=event["data"])


def _dated(case: Case, ordered: list[Document]) -> Iterator[tuple[str, str]]:
    """Event → the date (+08:00) on which it counts, of all that the folded case lets stand."""
    deadlines = case["deadlines"]
    for kind, on in (("received", deadlines["received_on"]), ("accepted", deadlines["accepted_on"])):
        first = next((event["_id"] for event in ordered if event["kind"] == kind), None)
        if first is not None and on is not None:
            yield first, on
    acts: list[Any] = [case["decision"], case["ended"], case["delivery"]]
    acts += [*case["corrections"], *case["suspensions"], *case["extensions"], *case["fees"], *case["proxies"]]
    acts += [*case["handovers"], *(mark for step in case["steps"] for mark in step["marks"])]
    acts += [case["decision"]["revoked"]] if case["decision"] is not None else []
    acts += [proxy["ended"] for proxy in case["proxies"]] + [case["named_proxy_ended"]]
    for act in acts:
        if act is not None:
            yield act["event"], act["on"]
    # A decision that was taken back and made anew: the folded case tells only the new one.
    after = case["decision"]["event"] if case["decision"] is not None else ""
    for event in ordered:
        if event["_id"] == after:
            break
        if event["kind"] == "decision_revoked":
            clock = event["clock"]
            at = parse_rfc3339(clock["raw"]) + timedelta(milliseconds=clock["offset"])
            yield event["_id"], civil_date(at).isoformat()


def _numbered(case: Case, kind: PaperKind, about: list[Document]) -> Iterator[tuple[Document, str]]:
    given = {paper["about"]: paper["number"] for paper in case["papers"] if paper["paper"] == kind.code}
    base, taken, running = f"{case['number']}-{kind.letters}", set(given.values()), 0
    for event in about:
        number = given.get(event["_id"])
        while number is None:
            running += 1
            free = base if running == 1 else f"{base}{running}"
            number = None if free in taken else free
        yield event, number


def _version(issued: tuple[Paper, ...], says: str) -> int:
    if not issued:
        return 1
    last = issued[-1]
    return last["version"] if last["says"] in (None, says) else last["version"] + 1


def _mark(case: Case, kind: PaperKind, event: Document, on: str) -> str:
    """What a paper says, as 32 hex digits. Deadlines are left out: they move by acts that have papers of their own."""
    fields = case["fields"]
    said: dict[str, Any] = {"on": on, "data": event["data"], "applicant": fields.get("applicant", {})}
    said["people"] = fields.get("people", {})
    if event["kind"] == "received":
        # It repeats the fields as they were entered; what counts is what became of them.
        said["data"] = {}
    if "form" in kind.parts:
        said["form"] = fields.get("form", {})
    if "materials" in kind.parts:
        said["materials"] = [[m["name"], m["state"]] for m in case["materials"]]
    if event["kind"] == "decided":
        said["words"] = dict(decision_words(case))
    return content_hash(said)[:32]


# -- words -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Placeholder:
    """What may stand in braces in a paper's words: what it means, and how it looks in the sample case (样例)."""

    title: str
    example: str


PLACEHOLDERS: dict[str, Placeholder] = {
    "applicant": Placeholder("办事人", "张某某"),
    "id_type": Placeholder("证件类型", "居民身份证"),
    "id_number": Placeholder("证件号码", "600000196001010016"),
    "phone": Placeholder("联系电话", "13000000001"),
    "address": Placeholder("住址", "河口镇柳树湾村"),
    "item": Placeholder("事项名称", "农村村民宅基地审批"),
    "number": Placeholder("办件编号", "600101101201-20260916-0012-7K3QX"),
    "paper_number": Placeholder("文书编号", "600101101201-20260916-0012-7K3QX-SL"),
    "station": Placeholder("经办站点", "柳树湾村便民服务站"),
    "office": Placeholder("决定机关", "河口镇人民政府"),
    "by": Placeholder("经办人", "王某某"),
    "on": Placeholder("文书日期", "2026年9月16日"),
    "received_on": Placeholder("收件日期", "2026年9月16日"),
    "accepted_on": Placeholder("受理日期", "2026年9月16日"),
    "answer_by": Placeholder("告知是否受理的最后一天", "2026年9月23日"),
    "due_on": Placeholder("承诺办结日", "2026年10月20日"),
    "legal_on": Placeholder("法定办结日", "2026年11月3日"),
    "reason": Placeholder("理由", "四至与图纸不一致"),
    "basis": Placeholder("依据的条款", "《中华人民共和国土地管理法》第六十二条"),
    "conditions": Placeholder("附带的条件", "开工前报村里放线"),
    "corrected": Placeholder("更正的说明", "姓名写错一个字"),
    "outcome": Placeholder("结论", "准予"),
    "word": Placeholder("事项类型的词，如“许可”", "许可"),
    "result": Placeholder("结果名称", "农村宅基地批准书"),
    "certificate": Placeholder("证明的内容", "兹证明张某某系我村村民。"),
    "days": Placeholder("天数", "10"),
    "procedure": Placeholder("特别程序", "现场踏勘"),
    "approved_by": Placeholder("批准人", "刘某某"),
    "amount": Placeholder("金额（元）", "10.00"),
    "step": Placeholder("环节", "现场踏勘"),
    "step_who": Placeholder("环节由谁办", "县自然资源局"),
    "step_due": Placeholder("环节最后一天", "2026年9月23日"),
    "planned_on": Placeholder("定在哪天", "2026年9月20日"),
    "text": Placeholder("说明", "上午九点到现场"),
    "agent": Placeholder("受托人", "王某某"),
    "agent_id": Placeholder("受托人证件号码", "600000198503150026"),
    "agent_phone": Placeholder("受托人电话", "13000000002"),
    "matters": Placeholder("委托的事项", "提交材料、领取结果"),
    "authority": Placeholder("委托的权限", "代为提交材料、领取结果"),
    "from_on": Placeholder("委托从哪天起", "2026年9月16日"),
    "until_on": Placeholder("委托到哪天止", "2026年12月31日"),
    "signed": Placeholder("怎么签的", "按手印"),
    "witness": Placeholder("见证人", "李某某"),
    "recipient": Placeholder("领取人", "张某某"),
    "recipient_is": Placeholder("领取人是谁", "本人"),
    "proof": Placeholder("领取凭据", "签字"),
    "to": Placeholder("交给谁", "河口镇便民服务中心"),
    "slip": Placeholder("流转凭证号", "LZ-20260916-01"),
    "ended": Placeholder("怎么终止的", "撤回"),
    "instead": Placeholder("正确的办件编号", "600101101201-20260916-0013-9M2PA"),
    "enquiry": Placeholder("咨询电话", "0000-0000001"),
    "complaint": Placeholder("监督投诉电话", "0000-0000002"),
    "review": Placeholder("复议机关", "本县人民政府"),
    "court": Placeholder("管辖法院", "有管辖权的人民法院"),
}
"""Every placeholder by its name: `{applicant}` in a paper's words."""

_BRACES = re.compile(r"\{([^{}]*)\}")
BLANK = "＿＿＿＿＿＿"
"""Where the case says nothing: a line to write on."""


def fill(text: str, values: Values) -> str | None:
    """The text with its placeholders replaced, once, by plain values. None when it has placeholders and the case says
    nothing about any of them: such a sentence is left out. One empty among others is a line to write on."""
    names = _BRACES.findall(text)
    if names and not any(values.get(name) for name in names):
        return None
    return _BRACES.sub(lambda match: values.get(match[1]) or BLANK, text)


def words_problems(words: Words) -> dict[str, str]:
    """Dotted path → sentence for every placeholder that is none, and for braces that do not close."""
    texts = {"title": words["title"], "remedy": words["remedy"], "seal": words["seal"]}
    texts |= {f"paragraphs.{place}": text for place, text in enumerate(words["paragraphs"])}
    wrong = {}
    for path, text in texts.items():
        unknown = [name for name in _BRACES.findall(text) if name not in PLACEHOLDERS]
        if unknown:
            known = "、".join(f"{{{name}}} {one.title}" for name, one in PLACEHOLDERS.items())
            wrong[path] = f"没有“{{{unknown[0]}}}”这个空格。可以用的有：{known}。"
        elif set(_BRACES.sub("", text)) & {"{", "}"}:
            wrong[path] = "花括号要成对，中间写空格的名字，例如 {applicant}。"
    return wrong


def examples() -> dict[str, str]:
    """The values of the sample case (样例), for a preview."""
    return {name: one.example for name, one in PLACEHOLDERS.items()}


# -- what stands for each placeholder ----------------------------------------------------------------------------------


def written(day: str | None) -> str:
    """2026年9月16日 for 2026-09-16; nothing for none."""
    if not day:
        return ""
    found = date.fromisoformat(day[:10])
    return f"{found.year}年{found.month}月{found.day}日"


def values(case: Case, offer: Offer, guide: Document, station_name: Callable[[str], str]) -> dict[str, str]:
    """What stands for each placeholder in this paper. `guide` is the item as it is published now (or {})."""
    terms, deadlines, event = case["item"], case["deadlines"], offer.event
    assert terms is not None
    applicant = case["fields"].get("applicant", {})
    found: dict[str, Any] = dict.fromkeys(PLACEHOLDERS, "")
    found |= {name: applicant.get(name) for name in ("id_type", "id_number", "phone", "address")}
    found |= {
        "applicant": applicant.get("name"),
        "item": terms["name"],
        "number": case["number"],
        "paper_number": offer.number,
        "station": station_name(event["station"]),
        "office": terms["decides"]["office"],
        "by": event["by"]["name"],
        "on": written(offer.on),
        "word": _word(terms["item"], guide),
        "result": guide.get("result", {}).get("name"),
        "received_on": written(deadlines["received_on"]),
        "accepted_on": written(deadlines["accepted_on"]),
        "answer_by": written(deadlines["answer_by"]),
        "due_on": written(deadlines["due_on"]) + ("（暂定）" if deadlines["provisional"] else ""),
        "legal_on": written(deadlines["legal_on"]) + ("（暂定）" if deadlines["legal_provisional"] else ""),
        "enquiry": guide.get("phones", {}).get("enquiry"),
        "complaint": guide.get("phones", {}).get("complaint"),
        "review": guide.get("remedy", {}).get("review") or PLACEHOLDERS["review"].example,
        "court": guide.get("remedy", {}).get("court") or PLACEHOLDERS["court"].example,
    }
    found |= _proxy_values(proxy_of(case, event))
    found |= _event_values(case, event, station_name)
    if offer.blank:
        found |= {"on": "", "by": "", "station": station_name(case["number"].partition("-")[0])}
    return {name: str(value or "") for name, value in found.items()}


def decision_words(case: Case) -> Mapping[str, str]:
    """The decision's words as they stand after what was put right; `corrected` says why they were."""
    decision = case["decision"]
    if decision is None:
        return {}
    words = {
        "reason": decision["reason"],
        "basis": decision["basis"] or "",
        "conditions": decision["conditions"] or "",
        "certificate": decision["certificate"] or "",
    }
    for correction in decision["corrections"]:
        anew = {name: correction.get(name) for name in ("reason", "conditions", "certificate")}
        words |= {name: str(text) for name, text in anew.items() if text is not None}
        words["corrected"] = correction["said"]
    return words


def proxy_of(case: Case, event: Document) -> Mapping[str, Any]:
    """Who acts for the applicant, flat, for a paper about this event: the one it appoints, else the newest who has not
    ended, else the one named at intake."""
    named = _people(case).get("proxy") or {}
    at_intake = {**named, **(named.get("power") or {})}
    if event["kind"] == "proxy_appointed":
        return dict(event["data"])
    if event["kind"] == "received":
        return at_intake
    appointed = [proxy["proxy"] for proxy in case["proxies"] if proxy["ended"] is None]
    if appointed:
        return appointed[-1]
    return at_intake if case["named_proxy_ended"] is None or event["kind"] == "proxy_ended" else {}


def _people(case: Case) -> Mapping[str, Any]:
    people = case["fields"].get("people")
    return people if isinstance(people, dict) else {}


def _proxy_values(proxy: Mapping[str, Any]) -> dict[str, Any]:
    if not proxy.get("name"):
        return {}
    return {
        "agent": proxy["name"],
        "agent_id": proxy.get("id_number"),
        "agent_phone": proxy.get("phone"),
        "matters": "、".join(proxy.get("matters") or []),
        "authority": proxy.get("authority"),
        "from_on": written(proxy.get("from")),
        "until_on": written(proxy.get("until")) or "办结",
        "signed": SIGNED.get(str(proxy.get("signed"))),
        "witness": proxy.get("witness"),
    }


def _event_values(case: Case, event: Document, station_name: Callable[[str], str]) -> dict[str, Any]:
    data: dict[str, Any] = event["data"]
    said: dict[str, Any] = {name: data.get(name) for name in ("reason", "basis", "days", "approved_by", "text", "slip")}
    match event["kind"]:
        case "decided":
            said |= {**decision_words(case), "outcome": OUTCOMES[data["outcome"]]}
        case "suspended":
            said["procedure"] = PROCEDURES[data["procedure"]]
        case "fee_noticed":
            said["amount"] = f"{data['amount'] // 100}.{data['amount'] % 100:02d}"
        case "handed_over":
            said |= {"to": named(data["to"], station_name), "text": data.get("note")}
        case "withdrawn" | "returned" | "voided" | "proxy_ended":
            ends = {"withdrawn": "办事人撤回", "returned": "退件", "voided": "作废", "proxy_ended": "委托终止"}
            said |= {"ended": ends[event["kind"]], "instead": data.get("instead")}
        case "delivered":
            to = data["to"]
            said |= {"recipient": to["name"], "recipient_is": RECIPIENTS[to["who"]], "proof": PROOFS[data["proof"]]}
            said |= {"witness": to.get("witness")}
        case "step_started":
            said |= _step_values(case, event, station_name)
        case _:
            pass
    return said


def _step_values(case: Case, event: Document, station_name: Callable[[str], str]) -> dict[str, Any]:
    step = _step(case, event)
    if step is None:
        return {}
    told = next((one for one in case["steps"] if one["id"] == step["id"]), None)
    days = step.get("days")
    return {
        "step": step["title"],
        "step_who": who_does(step, case, station_name),
        "step_due": written(told["due_on"]) if told is not None else "",
        "planned_on": written(event["data"].get("planned_on")),
        "procedure": STEP_KINDS[step["kind"]].title,
        "reason": event["data"].get("text") or step.get("text") or step["title"],
        "days": days["n"] if days is not None else None,
    }


def who_does(step: Mapping[str, Any], case: Case, station_name: Callable[[str], str]) -> str:
    """Whose step it is: a department by its name, else the village that took the case in or its township."""
    at = {"village": case["number"].partition("-")[0], "township": case["handler"]}
    who = step["who"]
    return who.get("department") or station_name(at.get(who["level"], ""))


def named(to: str, station_name: Callable[[str], str]) -> str:
    """Who takes papers over: a station by its name, a department or 办事人 as they are called."""
    return station_name(to) if re.fullmatch(r"\d{12}", to) else to


_WORDS = {"05": "给付", "07": "确认", "08": "奖励", "09": "裁决"}
_LETTERS = {"XK": "许可", "JF": "给付", "QR": "确认", "JL": "奖励", "CJ": "裁决"}


def _word(code: str, guide: Document) -> str:
    """What is granted or refused, in the item's own word: 许可 for a 行政许可, 给付 for a 行政给付, nothing for a
    service. A guide that is not here leaves the letters of the item's code."""
    kind = str(guide.get("type", ""))
    if kind:
        return next((word for word in (*_WORDS.values(), "许可") if kind == f"行政{word}"), "")
    return _LETTERS.get(code.partition("-")[2].partition("-")[0], "")
