"""Chinese ways to ask about the facts and to answer."""

DISHES = """
~ {day}有{n}个人来家里吃饭。
~ 我是厨房新手，家里只有一口锅。
~ 我朋友{person}要过来。
~ 租的房子在{place}，灶台特别小。
~ 昨天那顿饭翻车了。

# one
? {name}怎么做？
? 想学{name}，能一步一步教我吗？
? 请写一份简单的{name}做法
? 家常版{name}：要哪些材料，先后顺序是什么？
? 周末打算试试{name}，第一步该干什么？
= 材料：{ingredients}。 | 先备好{ingredients}。 | 做{name}离不开{ingredients}。
= 从切菜到上桌大约{minutes}分钟。 | 整个过程{minutes}分钟左右。 | -
= 最关键的一点：{trick}。 | 成败就看这一步：{trick}。 | 老手都会{trick}。
= 如果{fail}，多半是因为{cause}。 | 要当心{cause}，不然{fail}。 | 千万避免{cause}，否则就会{fail}。
= 配{side}最合适。 | 上桌时搭{side}。 | -

# one
? 为什么我做的{name}总是{fail}？
? 做{name}又失败了：{fail}。问题出在哪儿？
? {fail}，这已经是第三次做{name}了，怎么办？
? {name}{fail}是什么原因？
= 十有八九是{cause}。 | 常见的原因是{cause}。 | 问题出在{cause}。
= 下次记得{trick}。 | 想避免的话，{trick}就行。 | 办法很简单，{trick}。
= 这一锅也别倒，配上{side}照样能吃。 | 今天的先凑合，旁边摆{side}就没人注意了。 | -
= 另外时间要够，{minutes}分钟一分也别省。 | 别赶时间，留足{minutes}分钟。 | -

# one
? 吃剩的{name}能放多久？
? {name}隔夜还能吃吗？
? {day}做的{name}，现在吃安全吗？
? 还剩半锅{name}，怎么保存好？
! {keep}
= 保存期限：{keep}。 | 一般来说，{keep}。 | 我们的经验是{keep}。
= 做好两小时之内就要放凉收起来。 | 用浅一点的盒子装，凉得快。 | -
= 闻着发酸、摸着发黏就扔掉。 | 拿不准就别吃。 | -
= 每次只热要吃的那一份，现配{side}。 | 重新加热要热到冒汽。 | -

# one
? 帮我列一下{name}的购物清单
? {n}个人吃{name}，要买些什么？
? 去菜场买做{name}的东西，篮子里该有什么？
= 清单如下：\\n\\n{ingredients:bul} | {n}个人的量可以多买一点：\\n\\n{ingredients:bul}
= 配菜再买{side}。 | -
= 别的差一点没关系，{ingredients:0}一定要新鲜。 | {ingredients:0}好，味道就成了一半。 | -

# one
? 七点开饭，{name}几点开始做？
? 做{name}要留出多少时间？
? 安排一下今晚的流程：{name}加{side}
? 下班六点到家，来得及做{name}吗？
! {minutes}分钟
! 大约{minutes}分钟
= 从开饭时间往前推{minutes}分钟，再留十分钟摆碗筷。 | 它要{minutes}分钟，早一点动手。 | 一共{minutes}分钟，来不来得及您自己算算。
= 先处理{ingredients:0}，再弄{ingredients:1}。 | {ingredients:1}可以头天晚上准备好。 | -
= 等的时候顺手做{side}。 | 空档里正好准备{side}。 | -
= 最后一步别急，小心{fail}。 | 记住：{trick}。 | -

# pair
? {a.name}和{b.name}，哪个更省事？
? 工作日晚上请{n}个人，做{a.name}好还是{b.name}好？
? 在{a.name}和{b.name}之间犹豫，给个建议
? 对比一下{a.name}与{b.name}
= {a.name}要{a.minutes}分钟，{b.name}要{b.minutes}分钟。 | 时间上，前者{a.minutes}分钟，后者{b.minutes}分钟。
= 做前者记得{a.trick}，做后者要{b.trick}。 | {a.name}的窍门是{a.trick}；{b.name}的窍门是{b.trick}。 | -
= 家里有{a.ingredients:0}就选第一个，有{b.ingredients:0}就选第二个。 | 一个要买{a.ingredients}，另一个要买{b.ingredients}。
= 还要看剩菜：一个是{a.keep}，一个是{b.keep}。 | 一道配{a.side}，一道配{b.side}。 | -

# table
% 菜名=name; 用时（分钟）=minutes; 保存=keep; 搭配=side; 关键步骤=trick
? 用表格列出{names}的{wanted}
? 烹饪社要一张表：{names}，内容包括{wanted}
? {names}，请把{wanted}并排写清楚
= 汇总如下： | 以下是家庭厨房的一般情况： | -
"""

AILMENTS = """
~ 我父亲{n}0岁，平时身体不错。
~ 人在{place}出差。
~ 社区医生要到{day}才上班。
~ 这是给运动社团写的宣传页。
~ 室友{person}托我问的。

# one
? 怎么判断是不是{name}？
? {name}一般有哪些表现？
? {signs:0}、{signs:1}，会不会是{name}？
? 这两天{signs}，像{name}吗？
= 典型表现是{signs}。 | {name}通常会有{signs}。 | 主要看这几样：{signs}。
= 原因是{cause}。 | 背后的原因多为{cause}。 | -
= 病程{lasts}。 | 多数人{lasts}就会好转。 | -
= 如果{alarm:0}或者{alarm:1}，请去医院。 | 出现{alarm:0}就不要等了。 | 一旦{alarm:1}，就要尽快就诊。

# one
? {name}在家可以怎么处理？
? 得了{name}，有什么靠谱的家庭护理办法？
? 救急！{name}怎么办？
? 同学得了{name}，头几个小时该做什么？
= 先{care:0}，再{care:1}，最后{care:2}。 | 三件事最有用：\\n\\n{care:num} | 最好{care:0}，同时{care:1}。
= 还可以{care:2}。 | -
= 恢复需要时间，一般{lasts}。 | 别着急，通常{lasts}。 | -
= 如果{alarm:0}，就要找医生。 | 要是{alarm:1}，别硬扛。 | 遇到{alarm:0}的情况，马上去急诊。

# one
? {name}多久能好？
? 一般来说{name}会持续几天？
? 请问{name}的病程有多长？
! {lasts}
! 一般{lasts}
= 通常{lasts}。 | 大概{lasts}。 | 常见的过程是{lasts}。
= 坚持{care:0}，会好得快一些。 | 做到{care:1}能缩短时间。 | -
= 拖得久，往往是{cause}没有解决。 | 反复的原因常常是{cause}。 | -
= 若{alarm:1}，就该检查一下。 | 出现{alarm:0}时，时间长短就不重要了，先看病。 | -

# one
? {name}什么情况下要去医院？
? 哪些是{name}的危险信号？
? {name}要紧吗？
? 什么时候{name}不能再拖？
= 大多数情况下不要紧。 | 多数人不用看医生也能好。 | 一般没有危险。
= 两个警示信号：{alarm:or}。 | {alarm:0}或{alarm:1}时必须就医。 | 危险信号：\\n\\n{alarm:bul}
= 在那之前可以{care:0}。 | 平时{care:1}、{care:2}。 | -
= 记下开始的时间和用过的药。 | 看病时带上正在吃的药。 | -

# one
? 为什么会得{name}？
? 有的人反复{name}，原因是什么？
? 如何预防{name}？
? 用大白话讲讲{name}是怎么来的
= 原因是{cause}。 | 主要怪{cause}。 | 简单说就是{cause}。
= 表现为{signs}。 | 接着就会{signs:0}、{signs:1}。 | -
= 预防和护理是一回事：{care:0}，{care:1}。 | 想少得，就要{care:1}、{care:2}。 | 好习惯是{care:0}。
= 发作一次{lasts}。 | -

# pair
? 怎么区分{a.name}和{b.name}？
? {a.name}和{b.name}有什么不一样？
? 会不会把{a.name}当成{b.name}？
= {a.name}的表现是{a.signs}。 | {a.name}多见{a.signs:0}和{a.signs:2}。
= {b.name}则是{b.signs}。 | 而{b.name}会{b.signs:1}、{b.signs:0}。
= 前者源于{a.cause}，后者源于{b.cause}。 | 原因也不同，一个是{a.cause}，一个是{b.cause}。 | -
= 病程上，一个{a.lasts}，另一个{b.lasts}。 | -
= {a.alarm:0}或者{b.alarm:1}都要看医生。 | 如果{b.alarm:0}，就别自己判断了。

# table
% 问题=name; 表现=signs; 病程=lasts; 原因=cause
? 把{names}整理成一张表，写明{wanted}
? 急救课用：{names}的{wanted}一览表
= 只作初步参考，不能代替诊断： | 整理如下： | -
"""

CITIES = """
~ 我们{n}个朋友从{place}出发。
~ 带着奶奶，走得慢。
~ {month}只有三天假。
~ {person}第一次出远门。
~ 我们不想租车。

# one
? {name}两天怎么玩？
? 帮我安排一个{name}的周末行程
? 第一次去{name}，哪些地方值得看？
? 求一份{name}四十八小时攻略
= 第一天去{sights:0}和{sights:1}。 | 早上先到{sights:0}，再走去{sights:1}。
= 第二天留给{sights:2}和{sights:3}。 | {sights:3}放在最后一个傍晚，下雨就去{sights:2}。
= 一定要吃一次{dish}。 | 晚饭推荐{dish}。 | -
= 出行靠{transport}。 | 最方便的交通方式是{transport}。 | -
= 提醒一句：{tip}。 | 本地人会告诉你：{tip}。 | -

# one
? 什么时候去{name}最好？
? 去{name}选哪个月份？
? {month}适合去{name}吗？
! {months}
! 最好是{months}
= 最好的时间是{months}。 | 我会选{months}。 | 能自由选的话，{months}去。
= 那时{sights:0}人少，光线也柔和。 | 逛{sights:1}不用排队。 | -
= 旺季的话，{tip}。 | 不管哪个季节，{tip}。 | -
= 天气不好还有{sights:2}。 | -

# one
? {name}周边一日游去哪儿？
? 从{name}出发，哪里值得花一整天？
? {name}附近有没有不能错过的地方？
! {trip}
= 经典路线是{trip}。 | 去{trip}吧。 | 我推荐{trip}。
= 早点出门，回来还赶得上吃{dish}。 | 八点出发，晚上回城吃{dish}。 | -
= 城里坐{transport}，出城还是坐火车或大巴。 | {day}的票最便宜。 | -
= 时间不够就留在城里，看{sights:1}和{sights:3}。 | 也可以把一天分给{sights:0}和{sights:2}。 | -

# one
? 到了{name}吃什么？
? {name}有什么特色菜？
? 在{name}只能吃一顿，点哪道？
= 点{dish}。 | 最该尝的是{dish}。 | 当地人从小吃到大的是{dish}。
= {sights:2}一带的小店就有。 | 在{sights:0}附近，离主路一条街的地方找。 | -
= {months}坐在外面吃最舒服。 | 中午比晚上便宜。 | -
= 还有，{tip}。 | 记得{tip}。

# one
? 在{name}怎么出行？
? 去{name}要不要租车？
? {name}的公共交通方便吗？
= 靠{transport}就够了。 | 坐{transport}。 | 不用租，{transport}最省心。
= 从车站到{sights:0}，比地图上说的多留{n}分钟。 | {sights:1}到{sights:2}走路就行。 | -
= 只有去{trip}才考虑包车。 | {trip}也有班车。 | -
= 另外，{tip}。 | 再提醒一点：{tip}。

# pair
? 小长假去{a.name}还是{b.name}？
? {a.name}跟{b.name}怎么选？
? {month}出门，{a.name}和{b.name}哪个合适？
? 论吃，{a.name}和{b.name}谁更强？
= {a.name}最好的时候是{a.months}，{b.name}是{b.months}。 | 看日历：{a.months}选{a.name}，{b.months}选{b.name}。
= 前者能看{a.sights:0}和{a.sights:1}，后者有{b.sights:0}和{b.sights:2}。 | {a.sights:2}对{b.sights:1}，就看您喜欢哪个。
= 吃货比的是{a.dish}和{b.dish}。 | 要我就按吃的定：{a.dish}还是{b.dish}。 | -
= 周边一个有{a.trip}，一个有{b.trip}。 | -

# table
% 城市=name; 地区=country; 最佳时间=months; 特色菜=dish; 一日游=trip; 交通=transport
? 列个表比较{names}：{wanted}
? 旅行群要投票，请把{names}的{wanted}列出来
= 供投票参考： | 都是从游客的角度写的： | -
"""

CROPS = """
~ 我家菜地在{place}，土很黏。
~ 东向阳台种菜。
~ 从{month}开始就没下过雨。
~ 邻居{person}送了我一盘苗。
~ 头一年种菜，什么都不懂。

# one
? {name}怎么种？
? 种好{name}需要什么条件？
? 给新手讲讲种{name}的全过程
? 从播种到收获，{name}该怎么管？
= 播种时间：{sow}。 | 一般{sow}。 | {sow}就可以动手。
= 株距{spacing}。 | 每棵之间留{spacing}。 | 间隔{spacing}为好。
= 浇水要{water}。 | 水分管理：{water}。 | -
= 主要病虫害是{pest}，可以{remedy}。 | 防{pest}，靠{remedy}。 | -
= {harvest}就能收了。 | 等到{harvest}再采。

# one
? {name}得了{pest}怎么治？
? 不打农药，怎么给{name}防{pest}？
? 又见{pest}！{name}还有救吗？
? 我的{name}不对劲，是{pest}吗？
= 管用的办法是{remedy}。 | 试试{remedy}。 | 老办法：{remedy}。
= 种得太密更容易发生，要留{spacing}。 | 通风不好就招它，株距{spacing}是底线。 | -
= 再看看水：{water}。 | 浇水做到{water}，植株壮了就不怕。 | -
= 病叶带出菜园处理。 | 病株不要拿去堆肥。 | -

# one
? {name}什么时候收？
? 怎么看{name}熟没熟？
? 采{name}的最佳时机是什么时候？
= {harvest}的时候。 | 看这个标志：{harvest}。 | 等它{harvest}。
= {sow}的那批最早。 | 如果是{sow}，收成不会差。 | -
= 挑晴天早上采。 | 带把快刀和一只筐。 | -
= 在那之前，水要{water}。 | -

# one
? {name}的株距和浇水有什么讲究？
? 栽{name}要隔多远？
? {name}多久浇一次水？
! {spacing}
! {water}
= 株距{spacing}。 | 留够{spacing}。 | 一棵和一棵隔{spacing}。
= 水的原则是{water}。 | 浇水{water}。 | 它喜欢这样喝水：{water}。
= 浇之前先用手指探探土。 | 铺一层草能省一半水。 | -
= 中午打蔫不一定是缺水。 | 疏一点还能少生{pest}。 | -

# one
? {name}几月份播种？
? {month}种{name}晚不晚？
? 什么季节适合种{name}？
! {sow}
= 按规律是{sow}。 | {sow}最稳。 | 多数人{sow}。
= 太早反而招{pest}。 | 抢早的苗往往弱。 | -
= 定苗后留{spacing}。 | 长大以后株距{spacing}。 | -
= 错过了就去集市买现成的苗。 | 早晚差个十天没有大碍。 | -

# pair
? {a.name}和{b.name}能种在一起吗？
? 教小孩种菜，选{a.name}还是{b.name}？
? 一块地要种{a.name}和{b.name}，注意什么？
= {a.name}要{a.spacing}，{b.name}要{b.spacing}。 | 株距上，{a.name}留{a.spacing}，{b.name}留{b.spacing}。
= 前者{a.water}，后者{b.water}。 | 浇水分开来：一个{a.water}，另一个{b.water}。
= 虫害各不相同，一个怕{a.pest}，一个怕{b.pest}。 | {a.pest}和{b.pest}不会互相传。 | -
= {a.name}{a.sow}，{b.name}{b.sow}。 | -
= 收的时候，一边看是否{a.harvest}，一边看是否{b.harvest}。 | -

# table
% 作物=name; 播种=sow; 株距=spacing; 浇水=water; 病虫害=pest; 对策=remedy
? 给工具房做一张表：{names}的{wanted}
? 菜园计划表，包含{names}，列出{wanted}
= 剪下来贴在墙上： | 各地气候不同，前后差两周正常： | -
"""

CONCEPTS = """
~ 女儿{day}要考试。
~ 我在{place}教夜校。
~ 给{n}班做海报用的。
~ 那节课我请假了。
~ 课本写得太绕。

# one
? 什么是{name}？
? 给十二岁的孩子解释一下{name}
? 用一两句话定义{name}
? 谁能告诉我{name}是什么意思？
= {name}就是{definition}。 | 所谓{name}，指的是{definition}。 | 简单说，它是{definition}。
= 比如，{example}。 | 生活里的例子：{example}。 | 看到{example}，就是它在起作用。
= 这是{field}里的概念。 | {field}课上经常用到。 | -
= 有人以为{myth}，其实{truth}。 | -

# one
? 关于{name}，“{myth}”这句话对吗？
? 说到{name}，朋友坚持说{myth}，他说得对吗？
? 老师判“{myth}”是错的（{name}那一章），为什么？
! 不对
! 错
= 不对。 | 这是常见的误解。 | 不完全对。
= 实际上{truth}。 | 真相是{truth}。 | 应该说{truth}。
= 别忘了{name}的含义：{definition}。 | 从定义就能推出来，{name}是{definition}。 | -
= 想想这个例子：{example}。 | 在家就能验证，{example}。 | -

# one
? 举一个{name}的生活例子
? 日常生活里哪里能见到{name}？
? 课堂上怎么演示{name}？
= 最简单的：{example}。 | 想一想：{example}。 | 不妨从这里讲起，{example}。
= 这里看到的正是{definition}。 | 这就是{definition}。 | -
= 先让学生猜结果。 | 让他们把猜测写下来。 | 重复两次再比较。 | -
= 有人会说{myth}，可以回答他：{truth}。 | -

# one
? 出一道关于{name}的小测题，附答案
? 我要一道考{name}的题，再给个标准答案
? 来一道{name}的判断题
= 问：判断对错（{name}）：{myth}。\\n答：错，{truth}。 | 问：“{definition}”说的是什么？\\n答：{name}
= 可以补充例子：{example}。 | 提示可以写：{example}。 | -

# one
? 学生学{name}时最容易搞错什么？
? 讲{name}要提防哪些误解？
? {field}课上讲到{name}，难点在哪儿？
= 很多人认为{myth}。 | 典型的误解是{myth}。 | 常听到的说法是{myth}。
= 其实{truth}。 | 要让他们看到{truth}。 | 正确的说法是{truth}。
= 开头可以用例子：{example}。 | 从熟悉的事讲起，{example}。 | -
= 最后再写定义：{definition}。 | 下课前能说出“{definition}”就算成功。 | -

# pair
? {a.name}和{b.name}有什么关系？
? {a.name}与{b.name}的区别是什么？
? 帮我对比{a.name}和{b.name}，记笔记用
= {a.name}是{a.definition}。 | 前者指{a.definition}。
= {b.name}是{b.definition}。 | 后者则是{b.definition}。
= 看两个例子：{a.example}；{b.example}。 | 一边是{a.example}，一边是{b.example}。 | -
= 误解也不一样，有人说{a.myth}，也有人说{b.myth}。 | -

# table
% 概念=name; 学科=field; 含义=definition; 例子=example
? 把{names}做成知识卡片，用表格写{wanted}
? 用表格总结{names}的{wanted}
= 每天记一行： | 笔记如下： | -
"""

TOOLS = """
~ 我们团队{n}个人。
~ 我刚从 Windows 转过来。
~ 服务器在{place}，装的是 Debian。
~ {day}起由我负责部署。
~ 官方文档看得一头雾水。
~ 配置写在 config 目录里。
~ workflow 是同事写的。
~ 平时只用 Office 办公。
~ 目前还在用 {version} 版。
~ 我是用 deploy@web0{n} 登录的。

# one
? {name}有什么用？
? 通俗地讲讲{name}
? 我们需要用{name}吗？
? 老听人说{name}，到底是干什么的？
= 一句话，{name}能{what}。 | 它的作用是{what}。 | {name}的思路是{what}。
= 适合的场景：{when}。 | 如果{when}，就用得上。 | 典型情况是{when}。
= 小心{pitfall}。 | 常见的错误是{pitfall}。 | -
= 解决办法：{fix}。 | 真踩了坑就{fix}。 | -

# one
? {name}用什么命令？
? 想上手{name}，第一条命令敲什么？
? 给个{name}的命令行示例
= ```bash\\n{command}\\n```
= {when}的时候用得上。 | 它适合{when}的情况。 | -
= 注意别{pitfall}。 | 最怕{pitfall}。 | -

# one
? 新手用{name}常犯什么错？
? 我被{name}坑了，忽略了什么？
? 用{name}之前要知道哪些坑？
= 最大的坑是{pitfall}。 | 多半是{pitfall}。 | 见得最多的是{pitfall}。
= 所以要{fix}。 | 第一条规矩：{fix}。 | 对策是{fix}。
= 其余的没什么问题，{name}确实能{what}。 | -
= 先在测试机上跑 `{command}`。 | 可以运行 `{command}` 看看输出。 | -

# one
? 什么时候不该用{name}？
? 小项目上{name}算不算大材小用？
? 不用{name}行不行？
= 如果不是{when}，就先不用。 | 先问自己是不是{when}，不是的话越简单越好。
= 任何工具都有代价，这里是{pitfall}。 | 风险在于{pitfall}。 | -
= 反过来说，{name}能{what}，手工很难做到。 | 不用的话，就没有东西{what}了。 | -
= 折中的办法是小范围试用，并且{fix}。 | -

# one
? 给新人手册写三句话介绍{name}
? 起草一段{name}的内部文档
? 内部百科里{name}这一条怎么写？
= {name}：{what}。 | {name}的作用是{what}。
= 在我们团队，{when}时使用。 | 使用场景：{when}。
= 务必{fix}，以免{pitfall}。 | 为了避免{pitfall}，请{fix}。

# pair
? {a.name}和{b.name}是什么关系？
? 先学{a.name}还是先学{b.name}？
? 实习生把{a.name}和{b.name}弄混了，怎么解释？
= 这样记：{a.name}{a.what}，{b.name}{b.what}。 | {a.name}的作用是{a.what}，{b.name}的作用是{b.what}。
= {a.when}用前者，{b.when}用后者。 | 如果{a.when}，选第一个；如果{b.when}，选第二个。
= 坑也不同，一个是{a.pitfall}，一个是{b.pitfall}。 | -
= 两个都试一遍：先 `{a.command}`，再 `{b.command}`。 | -

# table
% 主题=name; 适用场景=when; 常见坑=pitfall; 对策=fix
? 做一张速查表：{names}，写上{wanted}
? 以表格列出{names}的{wanted}
= 贴在显示器旁边： | 打印成一页就行： | -
"""
