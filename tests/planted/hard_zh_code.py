"""Chinese rows that look like defects and are none: markup, code, numbers, addresses, special characters."""

from __future__ import annotations

from random import Random

from .checksums import harmless_digits
from .compose import Draft, single
from .hard_en import numbered_item, pairs
from .hard_en_banks import CODE, LINKS
from .hard_en_code import isbn13
from .hard_zh import DAYS, PEOPLE, PLACES

TAGS = pairs("""
div | 把元素圈成一块，本身没有含义 | 排版时需要一个盒子来挂样式
span | 标出一行里的一小段文字 | 想给某个词换颜色
br | 只换行、不另起段落 | 邮寄地址要保留每一行
p | 装一个段落 | 正文要分成几层意思
a | 把内容变成链接，目标写在 `href` 里 | 读者要跳到别的页面
img | 显示图片，地址写在 `src` 里 | 文章里要插照片
ul | 开始一个不带编号的列表，每一项是 `<li>` | 各项的先后不重要
table | 用 `<tr>` 和 `<td>` 排出行和格 | 数字要逐行对比
script | 加载或内嵌 JavaScript | 页面要对点击有反应
section | 把同一个标题下的内容归在一起 | 长文章分成几章
iframe | 在框里显示另一个页面 | 要嵌入地图
label | 给表单项命名，也更容易点中 | 用拇指填表
nav | 告诉浏览器和读屏软件菜单在哪里 | 每页都有同样的导航
pre | 原样保留空格和换行 | 要展示一段清单
blockquote | 把较长的引文隔出来 | 别人的话占了好几行
figure | 把图和 `<figcaption>` 里的说明绑在一起 | 插图下面要写说明
template | 放着暂时不显示、等脚本复制的标记 | 卡片要反复生成
canvas | 提供一块可以用脚本作画的区域 | 图表每秒重画
""")
TAG_ASKS = (
    "`<{t}>` 标签是干什么的？",
    "网页里什么时候用 `<{t}>`？",
    "HTML5 里还推荐写 `<{t}>` 吗？",
    "为什么校验器对 `<{t}>` 报警？",
    "给学徒讲讲 `<{t}>`",
    "我们的规范禁用 `<{t}>`，合理吗？",
    '`<{t}>` 和普通的 `<div class="x">` 差在哪儿？',
)
GENERICS = pairs("""
Java 里的 List<String> 表示什么？ | 表示只能放字符串的列表，所以 list.get(0) 不用强制转换。
为什么 List<Integer> 不能赋给 List<Number>？ | 否则别人就能往里面塞 Double。只读的话写成 List<? extends Number>。
Rust 的 Option<T> 有什么用？ | 它说明值可能不存在：要么 Some(x)，要么 None，编译器强制你两种都处理。
TypeScript 中 Array<number> 与 number[] 有区别吗？ | 没有区别，短类型一般写成 number[]
怎么声明 Map<String, List<Integer>>？ | 这样写：`Map<String, List<Integer>> scores = new HashMap<>();`
Vec<u8> 一般用来干嘛？ | 它是 Rust 里可增长的字节缓冲区，读文件、收网络包都用它。
什么时候返回 Promise<void>？ | 异步函数做完就完、没有结果要交回的时候，例如保存文件。
解释一下 std::vector<int> v(10) | 创建含十个整数的向量，每个都是 0。
C# 的 Dictionary<string, int> 有序吗？ | 不能依赖顺序。需要按键排序就用 SortedDictionary<string, int>。
编译器要我写 Box<dyn Error>，是什么意思？ | 指向任意错误类型的指针，这样函数可以用 `?` 返回不同种类的错误。
Optional<User> 比 null 好在哪儿？ | 签名就告诉调用者用户可能不存在，再用 map 或 orElse 代替层层 if。
""")
COMPARISONS = pairs("""
表达式 a < b and c > d 什么时候为真？ | 两半都成立才行：a 小于 b，同时 c 大于 d。
Python 里 x <y 和 x < y 一样吗？ | 一样，空格不影响；规范要求写成 x < y
C 语言里 1 < x < 5 为什么总是成立？ | 先算 1 < x 得 0 或 1，再和 5 比，自然永远为真。
论文里的 p < 0.05 说明什么？ | 如果其实没有效应，出现这样或更极端结果的机会小于 5%。
条件“价格 > 10 & 价格 < 20”在 pandas 里查不到数据 | 要加括号：(df.price > 10) & (df.price < 20)
怎样证明 a < b 则 a + c < b + c？ | 相减：(b + c) - (a + c) = b - a，由条件知道它 > 0。
酸的 pH < 7，那 pOH > 7 吗？ | 常温下是的，两者之和约等于 14。
Java 里可以写 if (a <b && c> d) 吗？ | 可以，看着别扭，但编译器忽略空格，格式化一下就好。
SQL 里筛选年龄 > 30 且 < 65，按年龄倒序？ | \
```sql\\nSELECT name FROM staff\\nWHERE age > 30 AND age < 65\\nORDER BY age DESC;\\n```
R 语言的 -> 和 <- 是什么意思？ | 都是赋值。习惯写 x <- 5，5 -> x 从左往右，效果相同。
""")
HANDLES = pairs("""
音乐会的帖子该@谁？ | 可以 @anna 和 @野草乐队，再加上标签 #周末现场
Java 的 @Override 有什么用？ | 告诉编译器这个方法覆盖了父类的方法，写错名字就会报错。
怎么从笔记本登录树莓派？ | 输入 `ssh pi@raspberrypi`，第一次确认一下指纹。
为什么 ssh deploy@web01 还要密码？ | 公钥没拷过去。运行 `ssh-copy-id deploy@web01` 再试。
“@home”是账号还是邮箱？ | 都不是，这里只表示在家。
Python 里 property 前面的 @ 是什么？ | 装饰器。@property 把方法变成读取时才计算的属性。
给两位实习生的合影配句话 | 先喝咖啡☕ 谢谢 @jonas 和 @小梅，春天见！
scp 怎么知道要拷到哪台机器？ | 目标写成 user@host:path，例如 `scp a.txt root@nas:/backup` 就拷到 nas 上。
单子上写“苹果 5 @ 4元”，什么意思？ | @ 表示单价，五个一共二十元
论坛里维基挂了找谁？ | 找 @运维组；周末是 @nightshift 在看
微博上怎么提醒对方看我的帖子？ | 写上 @ 加对方昵称，例如 @老城故事，对方就会收到提醒。
""")
SECTIONS = pairs("""
车轮螺栓的扭矩在哪里查？ | 见维修手册第 {s} 节，钢圈是 120 牛·米。
逾期交货按哪一条处理？ | 适用合同第{s}条和附件二。
车道标线的规定在第几章？ | 在 {s}，路口示意图下面。
阅读器 {v} 版改了什么？ | {v} 加了深色模式，修好了搜索；{w} 以前的版本要先升级。
插件支持 {v} 吗？ | 支持，最低 {w}，我们每晚都用 {v} 跑测试。
能从 {w} 直接升到 {v} 吗？ | 不行，先停在 {v} 之前的最后一个补丁，迁移数据库后再升。
第{s}款怎么引用？ | 写“第 {s} 款”加版本年份，不写页码。
驱动 {v} 为什么识别不了？ | 安装程序要的是 {w}。先在设备列表里删掉旧条目再装。
{s} 里的注有强制力吗？ | 没有。注只是说明，带编号的条文才强制。
浏览器 {b} 打开是白屏，已知问题吗？ | 是的，{b} 有这个毛病，下一版会修复。
偏离 {s} 的要求谁来批？ | 由现场经理书面批准，理由写进附件三。
{v} 一导出就闪退 | {v}.1 已经修好；暂时可以逐页导出。
查一下{s}规定的最低净高 | 居室不低于2.40米，从梁下量起另算。
相机固件 {w} 和 {v} 哪个稳？ | 先用 {w}，等 {v} 的长曝光问题解决了再说。
手册图 {s} 印倒了 | 谢谢提醒，下次印刷时改正。
第 {s} 节从哪一页开始？ | 214页，水泵照片后面
{v} 的库和 {w} 兼容吗？ | 文件格式一样，有两个函数改了名，见 {v} 的说明。
条款 {s} 和图纸对不上 | 以文字为准，前言里写了。
""")
ORDERS = pairs("""
单号{o}的包裹到哪儿了？ | 今天早上从{p}发出，预计{d}送到。
帮我取消订单{o} | 订单{o}已取消，五天之内原路退款。
订单 {o} 扣了两次钱！ | 您说得对，非常抱歉，{o} 的第二笔今天退回。
运单{o}能放到邻居家吗？ | 可以，在“修改派送”里填上邻居的姓名。
{o}显示状态7，是什么意思？ | 在海关等待查验，一般两个工作日放行。
编号{o}对应哪张发票？ | {date}开的那张，一共三项，其中有螺丝24颗。
序列号{o}怎么注册？ | 打开应用，选“我的设备”，输入{o}，中间不要空格。
夜车能用{o}这张票吗？ | 加补差价就能用，单凭{o}没有铺位。
查一下理赔{o} | {date}收到的申请，查勘员{d}之前给您来电。
图鉴的ISBN是多少？ | ISBN {isbn}
书号{isbn}的平装本有货吗？ | 有，{d}到店，59.80元。
优惠码{o}在收银台用不了 | 它只限网上使用，付款前一页填写。
{p}仓库扫出条码{o}，是什么货？ | 是红色搪瓷壶，1.2升装。
合同{o}提前多久通知解约？ | 提前三个月，以季度末为准，所以{date}之后的下一个季度末到期。
电表读数误填成{o}了 | 没关系，在“读数”里删掉，只填五位黑色数字。
批号{o}闻着不对，召回了吗？ | 目前没有召回。请盖好盖子，快递{d}上门取走检测。
会员号{o}包含{p}的泳池吗？ | 包含，工作日下午四点以前。
账上找不到流水{o} | {date}用子公司名义到账，已经认领了。
报关单上的{o}怎么理解？ | 前半段是税则号，后半段是自编流水。
行李牌{o}，从{p}飞来的，没见到箱子 | 箱子装在下一班，{d}中午前送到。
催缴单{o}能分两次交吗？ | 可以：现在交一半，三十天内交另一半，两次都注明{o}。
准考证{o}为什么不在名单里？ | 名单按学院公布，您的在第二页，{d}起可以看。
捐款编号{o}开收据吗？ | 全年的收据统一在次年二月寄出。
""")
FIGURES = pairs("""
体育场能坐多少人？ | 大约{q}000人，其中站席{k}000个
{p}的大桥哪年通车？ | {y}年
义卖一共筹了多少钱？ | {k}{q}00.50元，比{y}年多了12%。
培训班几号开课？ | {date}
火警拨哪个号码？ | 119
消费者投诉热线是多少？ | 12315
你们发的卡尾号多少？ | 尾号{q}{k}，其余已隐藏：**** **** **** {q}{k}
我账户绑定的手机号对吗？ | 为了安全只显示一部分：138****{k}{q}
练习题里{p}有多少人口？ | 5{k}0{q}人
{p}那套两居室租金多少？ | 每月{k}50元，押金{q}00元
把3.{k}4{q}9保留两位小数 | 3.{k}
{d}的讲座在哪个教室？ | {q}号楼2{k}室
{d}几点开门？ | 9:{k}～17:{q}
家里路由器后台地址一般是什么？ | 192.168.1.1
为什么 ping 127.0.0.1 总能通？ | 这个地址就是本机，数据包根本没有出去。
10.0.{k}.{q0} 从外网能访问吗？ | 不能，10 开头的是内网地址，公网上不路由。
身份证最后一位为什么有的是X？ | 最后一位是校验码，算出来等于10的时候写成X。
10000人同时上线会怎样？ | 按每人每秒一次请求算，要先做压力测试。
""")
SPECIAL = pairs("""
二分之一和四分之三的单个字符怎么打？ | ½ 和 ¾
平方米的符号是什么？ | m²
罗马数字四、九、十二的单字符写法？ | Ⅳ、Ⅸ、Ⅻ
用圈码给三个站点编号：大门、池塘、塔 | ①大门 ②池塘 ③塔
名字后面的™表示什么？ | 表示对方主张它是商标，注册没注册都能用；®只用于注册商标。
naïve 里的两点是什么？ | 叫分音符，表示 a 和 i 分开念。
Müller 这个姓怎么读？ | 近似“米勒”，ü 的发音和“鱼”的元音一样。
café 上面那一撇能省吗？ | 英文里可以写成 cafe，法文里不行。
日语里的々是什么意思？ | 表示重复前一个字，例如“人々”“時々”。
“二〇二四年”里的〇能写成零吗？ | 年份里习惯写〇，“零”多用在数量中。
零下五摄氏度怎么写？ | −5 ℃
São Paulo 翻译成中文？ | 圣保罗
破折号和连接号的区别？ | 破折号是“——”，占两格，表示转折或解释；连接号是“—”或“～”，表示起止。
中文引号怎么套用？ | 外面用“双引号”，里面用‘单引号’，例如：他说：“这叫‘留白’。”
河内的越南语怎么写？ | Hà Nội
波兰第二大城市的原文名？ | Łódź
5 × 10³ 是多少？ | 5000
一句话推荐焦糖布丁 | 用真香草，烤好放一夜再烧焦糖🍮
祝团队周一开工顺利 | 开工大吉，大家冲鸭🚀✨
发个帖子庆祝第100位顾客 | 一百位啦！谢谢大家🎉🥳
“㎡”和“m²”一样吗？ | 意思一样，排版时建议用 m² ，兼容字符“㎡”有的字体显示不了。
解释一下“OK”在“这个方案OK吗”里的用法 | 就是“可以”的意思，口语里中英混用，书面报告建议写“可行”。
PPT里“1/3”和“⅓”用哪个好？ | 正文用“⅓”好看，需要编辑的地方写1/3
把 crème brûlée 翻成中文 | 法式焦糖布丁
""")
FORMULAS = pairs("""
圆的面积公式？ | S = πr²
写出欧姆定律 | U = IR
动能怎么算？ | E = ½mv²
勾股定理的公式 | a² + b² = c²
一元二次方程求根公式，用LaTeX | $x = \\frac{-b \\pm \\sqrt{b^2 - 4ac}}{2a}$
前n个自然数的和 | n(n + 1)/2
n年后的复利本息和？ | P(1 + i)^n
BMI的计算方法 | 体重（千克）÷ 身高（米）²
光合作用的化学方程式 | 6CO₂ + 6H₂O → C₆H₁₂O₆ + 6O₂
欧拉恒等式是什么？ | e^(iπ) + 1 = 0
86华氏度换算成摄氏度，写过程 | (86 − 32) × 5 ÷ 9 = 30
速度怎么表示？ | v = s / t
圆锥体积公式是哪个？ | V = ⅓πr²h
""")
CODE_NAMES = {
    "a minimal page with a heading": "带标题的最小网页",
    "a form with one text field": "只有一个输入框的表单",
    "a list of three towns": "三个地名的列表",
    "a link that opens in a new tab": "在新标签页打开的链接",
    "a table with two columns": "两列的表格",
    "a note with sender and receiver": "有发件人和收件人的便条",
    "a feed entry": "一条订阅条目",
    "a config with two servers": "两台服务器的配置",
    "a function that greets by name": "按名字打招呼的函数",
    "a loop over the lines of a file": "逐行读文件的循环",
    "a dictionary of ages": "存年龄的字典",
    "a filter for even numbers": "筛选偶数",
    "a class for a savings account": "储蓄账户的类",
    "a query for sales in one town": "查询某地销售额",
    "a table for members": "会员表的建表语句",
    "an update that raises prices": "给商品涨价的更新语句",
    "one person with hobbies": "一个人和他的爱好",
    "settings with a nested object": "带嵌套的设置",
    "a list of appointments": "预约列表",
    "a backup of a folder": "备份文件夹",
    "a loop that renames pictures": "批量改照片名",
    "a search for big files": "查找大文件",
    "a list of names that gets sorted": "把名字排序",
    "a loop with two conditions": "带两个条件的循环",
    "a generic pair": "泛型的二元组",
    "a box with round corners": "圆角卡片",
    "a two-column layout": "两栏布局",
}
CODE_ASKS = (
    "用{l}写一个：{x}",
    "{l}里怎么实现{x}？",
    "求{l}代码：{x}",
    "刚学{l}，{x}该怎么写？",
    "给个{x}的例子，语言是{l}，不用解释",
    "能写一段{l}吗？需求是{x}",
    "请输出{l}：{x}",
    "上课要用，{x}，我们学的是{l}",
)
CODE_INTRO = ("像这样：", "如下：", "一种写法：", "这样就行：", "最短的版本：", "试试下面的代码：", "", "")
CODE_OUTRO = ("", "", "", "直接就能用。", "注意缩进。", "单独存成一个文件再打开。")
CODE_WORDS = {"Home": "首页", "Town": "地点", "Day": "星期", "About ": "关于", "Hello, ": "你好，", "Go<": "搜索<"}
FORMS = pairs("""
把地址分行：{a}，{p}市{st}{h}号，邮编{z} | {a}\\n{p}市{st}{h}号\\n{z}
寄给{p}{a}的信封怎么写？他住{st}{h}号 | {z}\\n{p}市{st}{h}号\\n{a} 收
{p}分店的地址？ | {p}市{st}{h}号\\n喷泉对面
快递面单：{a}，{st}{h}号，{p} | 收件人：{a}\\n地址：{p}市{st}{h}号\\n邮编：{z}
送给{a}的花该送到哪儿？ | {p}市\\n{st}{h}号\\n三楼左手边
公司搬到{p}了，新地址分行写 | {p}市{st}\\n{h}号B座\\n{z}
名片排版：{a}，制琴师，{p}{st}{h}号 | {a}\\n制琴师\\n{p}市{st}{h}号
""")
STREETS = ("磨坊巷", "滨河路", "栗树街", "车站路", "钟楼里", "运河西岸", "果园弄", "织布坊", "文化路", "解放街")
ROUTINE = ("浇花", "分信件", "查冰箱", "点钱箱", "扫院子", "试警报", "喂鸡", "擦桌子", "抄电表", "磨凿子", "开窗通风", "锁大门")
VERBS = ("打开", "按住", "检查", "转动", "选择", "取下", "拧紧")
OBJECTS = (
    "左侧阀门",
    "菜单",
    "绿色按钮",
    "上盖",
    "第二个抽屉",
    "滤网",
    "复位键",
    "电源线",
    "上层托盘",
    "语言列表",
    "电池",
    "总开关",
)
LINK_ABOUT = (
    "Python 安装包",
    "酸面包的历史",
    "Django 入门",
    "免费的英文小说",
    "CSS 参考手册",
    "免费地图",
    "git 教程",
    "时区数据",
    "SQLite 语法",
    "疾病条目",
    "pandas 指南",
    "HTTP 标准",
)
QUOTES = pairs("""
笛卡尔关于思考的名言？ | “我思故我在”
《论语》第一句是什么？ | “学而时习之，不亦说乎？”
阿姆斯特朗登月时说了什么？ | “这是个人的一小步，却是人类的一大步。”
三个火枪手的口号？ | “人人为我，我为人人！”
哈姆雷特最有名的台词 | “生存还是毁灭，这是一个问题”
来一句关于耐心的谚语 | “心急吃不了热豆腐”（民间俗语）
你故事里面包店门上写着什么？ | “始于1904”
鲁迅本名叫什么？ | 周树人（字豫才）
正文里怎么引用这篇论文？ | （高远、林晓，2019）
divmod(17, 5) 返回什么？ | (3, 2)
用Python列表写出元音字母 | ['a', 'e', 'i', 'o', 'u']
姓名占位符怎么写？ | 【姓名】
王安石哪首诗写了江南的春？ | 《泊船瓜洲》
""")


def tag(rng: Random) -> Draft:
    name, what, when = rng.choice(TAGS)
    first = rng.choice((f"`<{name}>` {what}。", f"它的作用是{what}。", f"`<{name}>` 的用处是{what}。"))
    more = rng.choice((f"适合{when}的时候。", f"典型情况：{when}。", f"{when}就用它。", ""))
    code = f'\n\n```html\n<{name} class="box{rng.randint(1, 99)}"></{name}>\n```' if rng.random() < 0.35 else ""
    return single(rng.choice(TAG_ASKS).format(t=name), first + more + code, "tag", "question about HTML tags")


def code(rng: Random) -> Draft:
    language = rng.choice(sorted(CODE))
    what, snippet = rng.choice(CODE[language])
    a, b = rng.sample(PEOPLE, 2)
    p, q = rng.sample(PLACES, 2)
    values = {
        "A": a,
        "B": b,
        "P": p,
        "Q": q,
        "p": rng.choice(("photo", "north", "daily", "shop")),
        "q": rng.choice(("docs", "south", "notes", "work")),
        "D": rng.choice(DAYS),
        "M": "三月",
        "n": str(rng.randint(2, 9)),
    }
    text = snippet.format(**values)
    for word, local in CODE_WORDS.items():
        text = text.replace(word, local)
    spoken = {
        "html": "HTML",
        "xml": "XML",
        "python": "Python",
        "sql": "SQL",
        "json": "JSON",
        "bash": "Bash",
        "java": "Java",
        "css": "CSS",
    }
    question = rng.choice(CODE_ASKS).format(x=CODE_NAMES[what], l=spoken[language])
    parts = [rng.choice(CODE_INTRO), f"```{language}\n{text}\n```", rng.choice(CODE_OUTRO)]
    return single(question, "\n\n".join(part for part in parts if part), "code", "code in a fence")


def section(rng: Random) -> Draft:
    question, answer = rng.choice(SECTIONS)
    major = rng.randint(2, 12)
    low, high = sorted(rng.sample(range(1, 30), 2))
    values = {
        "s": ".".join([str(rng.randint(1, 12)), *(str(rng.randint(0, 12)) for _ in range(rng.choice((2, 3, 3))))]),
        "v": f"{major}.{high}.{rng.randint(0, 9)}",
        "w": f"{major}.{low}.{rng.randint(0, 9)}",
        "b": f"{rng.randint(96, 131)}.0.{rng.randint(4000, 6999)}.{rng.randint(12, 199)}",
    }
    return single(question.format(**values), answer.format(**values), "section", "version or section number")


def order(rng: Random) -> Draft:
    question, answer = rng.choice(ORDERS)
    values = {
        "o": harmless_digits(rng, rng.choice((12, 13, 14, 16, 16, 18, 18, 19, 20))),
        "p": rng.choice(PLACES),
        "d": rng.choice(DAYS),
        "isbn": isbn13(rng),
        "date": f"20{rng.randint(19, 24)}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}",
    }
    return single(question.format(**values), answer.format(**values), "order", "order number or ISBN")


def figure(rng: Random) -> Draft:
    question, answer = rng.choice(FIGURES)
    values = {
        "p": rng.choice(PLACES),
        "d": rng.choice(DAYS),
        "y": str(rng.randint(1890, 2019)),
        "k": str(rng.randint(11, 19)),
        "q": str(rng.randint(20, 58)),
        "q0": str(rng.randint(2, 99)),
        "date": f"20{rng.randint(21, 25)}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}",
    }
    if "保留" in question:
        answer = "3.{k}"
    return single(question.format(**values), answer.format(**values), "figure", "year, price, date or masked number")


def address(rng: Random) -> Draft:
    question, answer = rng.choice(FORMS)
    values = {
        "a": rng.choice(PEOPLE),
        "h": str(rng.randint(2, 340)),
        "st": rng.choice(STREETS),
        "z": f"{rng.randint(100, 799)}000",
        "p": rng.choice(PLACES),
    }
    return single(question.format(**values), answer.format(**values), "address", "postal address in short lines")


def timetable(rng: Random) -> Draft:
    tasks = rng.sample(ROUTINE, rng.choice((2, 3)))
    keys = rng.choice(
        (DAYS[: rng.choice((4, 5, 6))], rng.sample(PEOPLE, 4), rng.sample(PLACES, 4), [f"第{i}周" for i in "一二三四五"])
    )
    head = rng.choice(("| 时间 | 先 | 后 |", "| | 早班 | 晚班 |", "| 行 | 任务甲 | 任务乙 |", "|   | 工作 | 检查 |"))
    clock = rng.choice(("", f"{rng.randint(6, 9)}:00", f"{rng.randint(6, 11)}点"))
    rows = [f"| {key} | {clock}{rng.choice(tasks)} | {rng.choice(tasks)} |" for key in keys]
    ask = rng.choice(
        (
            "排一张值班表，工作有{x}",
            "以表格形式做周计划，任务：{x}",
            "人定了，时间没定，请安排{x}",
            "给{p}的志愿者排班，包括{x}",
            "把{x}分摊到一周里",
        )
    )
    table = "\n".join([head, "| --- | --- | --- |", *rows])
    return single(
        ask.format(x="、".join(tasks), p=rng.choice(PLACES)), table, "timetable", "table with the same words in each row"
    )


def same_beginnings(rng: Random) -> Draft:
    device = rng.choice(("咖啡机", "锅炉", "打印机", "投影仪", "缝纫机", "面包机", "扫描仪", "标签机", "功放", "净水器"))
    goal = rng.choice(("复位", "除垢", "开机", "清洁", "校准", "解锁"))
    things = rng.sample(OBJECTS, rng.choice((4, 5, 6)))
    if rng.random() < 0.5:
        verb = rng.choice(VERBS)
        steps = [f"{i}. {verb}{thing}" for i, thing in enumerate(things, 1)]
    else:
        steps = [f"第{n}步：{rng.choice(VERBS)}{thing}。" for n, thing in zip("一二三四五六", things, strict=False)]
    ask = rng.choice(
        ("{x}怎么{g}？", "旧{x}的{g}步骤", "写一份{x}{g}检查单", "{x}没法{g}，正确的顺序是什么？", "{x}旁边的说明丢了，怎么{g}？")
    )
    heading = rng.choice(("", "", "### 步骤\n\n", f"## {device}\n\n"))
    return single(ask.format(g=goal, x=device), heading + "\n".join(steps), "steps", "steps with the same beginnings")


def link(rng: Random) -> Draft:
    place = rng.randrange(len(LINKS))
    ask = rng.choice(("{x}去哪里找？", "发个{x}的链接", "有没有{x}的网站？", "收藏哪个页面看{x}？"))
    answer = rng.choice(("看这里：{u}", "{u}", "最好的来源是 {u}", "从这里开始 {u}", "网址是 {u}"))
    return single(ask.format(x=LINK_ABOUT[place]), answer.format(u=LINKS[place]), "link", "ends with a URL")


def headings(rng: Random) -> Draft:
    thing = rng.choice(
        ("社团通讯", "骑行活动", "跳蚤市场", "校园话剧", "搬家日", "棋牌之夜", "清洁行动", "烹饪课", "换书会", "丰收晚餐")
    )
    r, s = rng.sample(ROUTINE, 2)
    a, b = rng.sample(PEOPLE, 2)
    pool = [
        ("目标", f"吸引{rng.randint(3, 9)}位新人。"),
        ("会前", f"{r}，打印名单。"),
        ("当天", f"先{r}，再{s}。"),
        ("预算", f"约{rng.randint(4, 60) * 10}元，一半用于饮料。"),
        ("会后", f"{s}，逐一感谢帮手。"),
        ("风险", f"下雨、钥匙迟到，以及多来{rng.randint(2, 9)}位客人。"),
        ("分工", f"{a}负责，{b}记录。"),
    ]
    lines = [f"### {head}\n\n{body}" for head, body in rng.sample(pool, rng.choice((3, 4, 5)))]
    ask = rng.choice(
        (
            "给{p}的{x}写一页方案",
            "策划{x}，用Markdown标题",
            "{d}之前要办好{x}，给个框架",
            "{x}要考虑哪些事？",
            "协会想在{p}办{x}，列个提纲",
        )
    )
    return single(
        ask.format(x=thing, p=rng.choice(PLACES), d=rng.choice(DAYS)), "\n\n".join(lines), "headings", "Markdown headings"
    )


def faq(rng: Random) -> Draft:
    place = rng.choice(("游泳馆", "陶艺坊", "修理咖啡馆", "青年旅舍", "农场小店", "自行车租赁点", "琴行", "滑冰场"))
    pool = (
        ("几点开门？", f"{rng.randint(7, 10)}点，{rng.choice(DAYS)}晚一小时。"),
        ("能刷卡吗？", "满五元可以。"),
        ("可以带狗吗？", "要拴绳。"),
        ("有寄存处吗？", "在地下一层，免费。"),
        ("迟到怎么办？", f"等您{rng.randint(5, 20)}分钟。"),
        ("有优惠吗？", f"学生{rng.randint(6, 9)}折。"),
        ("车停哪里？", f"{rng.choice(('教堂', '磨坊', '学校', '粮仓'))}后面。"),
        ("可以拍照吗？", "可以，先问一下旁人。"),
    )
    mark = rng.choice((("Q：", "A："), ("问：", "答："), ("Q: ", "A: ")))
    lines = [f"{mark[0]}{q}\n{mark[1]}{a}" for q, a in rng.sample(pool, rng.choice((3, 4)))]
    ask = rng.choice(
        ("写一份{x}的常见问题", "{x}网站要一组问答，帮忙写", "{x}，问答形式的帮助页", "{x}的客人老问同样的事，做张说明")
    )
    return single(ask.format(x=place), "\n\n".join(lines), "faq", "Q and A quoted inside")


def sums(rng: Random) -> Draft:
    a, b, c = rng.randint(12, 99), rng.randint(12, 99), rng.randint(3, 9)
    name = rng.choice(PEOPLE)
    ask, result = rng.choice(
        (
            (f"{a}加{b}等于多少？", a + b),
            (f"计算 {a} × {c}", a * c),
            (f"{name}有{a}张邮票，每周再买{c}张，{b}周后有几张？", a + b * c),
            (f"火车{c}小时走{a * c}公里，平均时速多少公里？", a),
            (f"付200元，买了{a}元和{b}元的东西，找零多少？", 200 - a - b),
            (f"{a * c}颗弹珠平分给{c}个孩子，每人几颗？", a),
            (f"{c}支笔{a * c}分钱，{b}支多少分？", a * b),
            (f"{a * b}减{b}", a * b - b),
            (f"解方程：x + {a} = {a + b}", b),
            (f"{a * c + 2}除以{c}余几？", 2),
        )
    )
    answer = rng.choice((str(result), str(result), f"答案是{result}", f"= {result}"))
    return single(ask, answer, "sums", "short answer without full stop")


FAMILIES = {
    "tag": tag,
    "code": code,
    "section": section,
    "order": order,
    "figure": figure,
    "address": address,
    "timetable": timetable,
    "steps": same_beginnings,
    "link": link,
    "headings": headings,
    "faq": faq,
    "sums": sums,
    "generics": numbered_item(GENERICS, "generics", "generics"),
    "comparisons": numbered_item(COMPARISONS, "comparisons", "comparison signs"),
    "handles": numbered_item(HANDLES, "handles", "handles and user@host"),
    "special": numbered_item(SPECIAL, "special", "special characters"),
    "formulas": numbered_item(FORMULAS, "formulas", "ends with a formula"),
    "quotes": numbered_item(QUOTES, "quotes", "ends with a quotation or bracket"),
}
