"""A catalogue of 2,140 items: the reference ones among others that a county might have, which look like them."""

from __future__ import annotations

from random import Random
from typing import Any

_SEED = 20261125

# Department, then what it deals with; each with every act makes an item.
_DEPARTMENTS = {
    "交通运输": """
        道路货物运输经营 道路旅客运输经营 机动车维修经营 公路用地内施工 船舶所有权 网络预约出租汽车驾驶员证
        危险货物运输 巡游出租汽车经营 道路运输证 超限运输车辆行驶公路
    """,
    "水利": """
        取水 河道采砂 水土保持方案 河道管理范围内建设项目 农村集体经济组织修建水库 洪水影响评价
        占用农业灌溉水源 城乡供水水质检测 小型水库大坝安全鉴定
    """,
    "生态环境": """
        排污 建设项目环境影响评价文件 危险废物经营 辐射安全 夜间建筑施工 入河排污口设置
        废弃电器电子产品处理
    """,
    "文化和旅游": """
        娱乐场所经营 互联网上网服务营业场所 营业性演出 旅行社设立 文物保护单位修缮工程 艺术品经营单位
        农家书屋 导游证
    """,
    "教育": """
        教师资格 民办学校办学 义务教育阶段转学 校车使用 普通话水平测试 幼儿园办园 高中阶段学籍
        随迁子女入学
    """,
    "公安": """
        普通护照 往来港澳通行证 机动车驾驶证 机动车号牌 旅馆业特种行业 爆破作业人员 大型群众性活动安全
        养犬 机动车抵押 保安员证 边境通行证
    """,
    "税务": """
        增值税一般纳税人 发票票种核定 税收完税证明 契税申报 城镇土地使用税减免 个体工商户定期定额
        跨区域涉税事项 车辆购置税
    """,
    "消防救援": """
        公众聚集场所投入使用营业前消防安全 消防技术服务机构 建设工程消防验收
    """,
    "人力资源和社会保障": """
        企业职工基本养老保险 工伤认定 劳务派遣经营 民办职业培训学校 高校毕业生求职创业补贴 工伤保险待遇
        企业职工退休 劳动能力鉴定 技能人才评价 职称评审 流动人员人事档案 就业见习单位
    """,
    "医疗保障": """
        职工基本医疗保险 定点零售药店 定点医疗机构 职工生育保险待遇 医保关系转移 医用耗材挂网
        长期护理保险待遇
    """,
    "卫生健康": """
        医疗机构执业 医师执业 护士执业 放射诊疗 饮用水供水单位卫生 母婴保健技术服务 中医诊所 乡村医生执业
        托育机构 职业病诊断机构
    """,
    "住房和城乡建设": """
        建筑工程施工 商品房预售 城镇污水排入排水管网 燃气经营 房屋建筑工程竣工验收备案 物业服务企业
        城市建筑垃圾处置 住宅专项维修资金 建筑起重机械使用 临时占用城市道路
    """,
    "自然资源": """
        建设用地规划 建设工程规划 国有建设用地使用权 采矿权 临时用地 不动产抵押权 地图审核 土地复垦方案
        林权登记 测绘作业证
    """,
    "农业农村": """
        兽药经营 种畜禽生产经营 生鲜乳收购 水域滩涂养殖 农产品质量安全检测机构 动物诊疗 渔业船舶
        农村沼气工程 家庭农场 绿色食品标志 农作物种子生产 乡村兽医 高标准农田项目 农村能源补助 生猪屠宰
    """,
    "林业和草原": """
        使用林地 木材经营加工 野生动物人工繁育 草原征占用 林草种子生产经营 古树名木移植 森林植被恢复费
    """,
    "市场监督管理": """
        公司设立 公司变更 药品经营 医疗器械经营 特种设备使用 计量标准器具 企业名称 工业产品生产 食品生产
        检验检测机构资质 股权出质 广告发布 合伙企业 个人独资企业 食品添加剂生产
    """,
    "民政": """
        社会团体 民办非企业单位 地名命名 养老机构 慈善组织公开募捐资格 殡葬设施 基金会 志愿服务组织
        社会组织章程 流浪乞讨人员 华侨婚姻 行政区域界线
    """,
    "残联": """
        残疾人就业保障金 盲人按摩机构 残疾人自主创业扶持 残疾大学生资助 残疾人文化体育活动
        残疾人集中就业单位
    """,
    "退役军人事务": """
        伤残军人等级 军队转业干部安置 复员干部安置 烈士纪念设施 退役士兵自主就业一次性经济补助
        部分退役士兵社会保险接续 残疾军人证 军休干部
    """,
    "应急管理": """
        危险化学品经营 非煤矿矿山企业安全生产 生产安全事故应急预案 金属冶炼建设项目 安全培训机构
        地震应急避难场所
    """,
    "司法": """
        律师执业 公证 基层法律服务工作者 司法鉴定机构 公职律师 村民委员会法律顾问
    """,
    "供电所(公用企业)": """
        低压非居民用电 充电桩用电 用电过户 用电增容 电费发票
    """,
    "乡镇党政综合": """
        村级小型工程项目 农村集体资产交易 村级公章使用 乡镇档案 村务监督 农村道路管护 村级印章 防汛物资
    """,
    "烟草专卖": """
        烟草专卖零售 烟草专卖准运
    """,
    "气象": """
        防雷装置设计 升放气球 人工影响天气作业
    """,
    "广播电视": """
        有线电视 卫星电视广播地面接收设施 农村广播维护
    """,
    "民族宗教": """
        宗教活动场所 清真食品 民族成份
    """,
}
_ACTS = [
    "许可",
    "核发",
    "变更",
    "注销",
    "延续",
    "补办",
    "备案",
    "审批",
    "登记",
    "年度报告",
    "撤销",
    "初审",
    "认定",
    "查询",
    "核准",
    "换发",
    "设立审批",
    "信息变更",
    "年审",
    "到期换证",
]
# Near duplicates: a known item's name with one of these behind it.
_OF_KNOWN = [
    "变更",
    "注销",
    "延续",
    "撤销",
    "信息变更",
    "年度核查",
    "复核",
    "停发",
    "公示",
    "档案查询",
    "材料补正",
    "遗失声明",
    "结果送达",
    "转出",
    "延期",
    "暂停",
    "恢复",
    "统计上报",
    "入户核查",
    "政策宣传",
]
_GENERIC = [
    "{department}行政许可事项{act}",
    "{department}证照{act}",
    "{department}资格{act}",
    "{department}补助资金{act}",
    "{department}信息系统账号{act}",
    "{department}专项资金项目{act}",
]
_VILLAGES = [
    "石桥村",
    "石桥社区",
    "柳湾村",
    "柳湾社区",
    "大坪村",
    "大坪社区",
    "杨家沟村",
    "杨家沟社区",
    "上河村",
    "上河社区",
    "下寨村",
    "下寨社区",
    "新民村",
    "新民社区",
    "东山村",
    "东山社区",
    "双泉村",
    "双泉社区",
    "红旗村",
    "红旗社区",
    "白马村",
    "白马社区",
    "黄土岭村",
    "黄土岭社区",
]
_OF_VILLAGES = [
    "便民服务点",
    "村级活动室使用",
    "道路维修",
    "路灯安装",
    "文化广场",
    "饮水工程",
    "农田灌溉",
    "垃圾清运",
    "村规民约",
    "合作医疗缴费点",
    "防火巡查",
    "农产品代销",
    "留守人员慰问",
    "公墓管理",
    "宅基地台账",
    "低保公示",
    "养老服务站",
    "集体林地",
    "户厕管护",
    "农机合作",
]
_MATERIALS = [
    "居民身份证",
    "居民户口簿",
    "申请表",
    "授权委托书",
    "营业执照",
    "场地使用证明",
    "银行卡",
    "照片",
    "承诺书",
    "从业人员健康证明",
]


def distractors(count: int, known: list[dict[str, Any]] | None = None, *, seed: int = _SEED) -> list[dict[str, Any]]:
    """`count` items beside the known ones: other departments', near duplicates, villages', generic ones."""
    random = Random(seed)
    taken = {item["name"] for item in known or ()}
    found: list[dict[str, Any]] = []

    def take(name: str, department: str) -> None:
        if name in taken or len(found) >= count:
            return
        taken.add(name)
        place = len(found)
        found.append(
            {
                "code": f"60010199ZZ-GG-{place:04d}",
                "name": name,
                "department": department,
                "category": department,
                "materials": [{"name": material} for material in random.sample(_MATERIALS, 4)]
                + [{"name": f"{name}申请表"}],
                "conditions": [],
            }
        )

    near = [(item, act) for item in known or () for act in _OF_KNOWN]
    random.shuffle(near)
    for item, act in near[: count * 3 // 10]:
        take(f"{item['name'].removesuffix('登记')}{act}", item["department"])
    every = [
        (department, thing, act)
        for department, things in _DEPARTMENTS.items()
        for thing in things.split()
        for act in _ACTS
    ]
    random.shuffle(every)
    for department, thing, act in every[: count * 5 // 10]:
        take(thing + act, department)
    for village in _VILLAGES:
        for thing in _OF_VILLAGES:
            take(f"{village}{thing}{random.choice(('登记', '申请', '服务', '备案'))}", "乡镇党政综合")
    for number in range(1, 40):
        for department in _DEPARTMENTS:
            generic = random.choice(_GENERIC).format(department=department, act=random.choice(_ACTS))
            take(f"{generic}（{number}类）", department)
    assert len(found) == count, len(found)
    return found
