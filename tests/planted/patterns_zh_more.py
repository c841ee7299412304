"""Chinese ways to ask about the facts and to answer (law, accounts, service, jobs, study, animals, repairs, hobbies)."""

LAW = """
~ 我在{place}租房住。
~ 事情发生在{date}。
~ 朋友{person}碰上了这种事。
~ 从没请过律师。
~ 受理编号是{order}。

# one
? {name}，法律上是怎么规定的？
? 碰到{name}的问题，我有哪些权利？
? 想了解{name}方面的规则
? 关于{name}，到底谁有理？
= 原则是{rule}。 | 一般规定：{rule}。 | 首先要明确，{rule}。
= 准备好{papers}。 | 需要的材料有{papers}。 | -
= 注意时限：{deadline}。 | 时间上，{deadline}。 | -
= 第一步，{step}。 | 建议先{step}。 | 可以这样开始：{step}。
= 常见的错误是{mistake}。 | 不要{mistake}。 | -

# one
? {name}需要准备哪些材料？
? 打{name}的官司要什么证据？
? {name}的案卷里该放什么？
= 收集{papers}。 | 至少要有{papers}。 | 以下几样：\\n\\n{papers:bul}
= 因为{rule}，这些材料才关键。 | 道理在于{rule}。 | -
= 原件留在自己手里，只交复印件。 | 交之前先扫描存档。 | -
= 别因为{mistake}而前功尽弃。 | 很多人输在{mistake}。 | -

# one
? {name}的时效是多久？
? 处理{name}还来得及吗？
? 到了{month}，{name}会不会过期？
! {deadline}
= 时限是这样的：{deadline}。 | 通常{deadline}。 | 记住{deadline}。
= 从知道的那天算起，所以要{step}。 | 稳妥起见，今天就{step}。 | -
= 各地略有不同，可以问{place}的法律援助中心。 | 打个电话问律师最快。 | -

# one
? 遇到{name}，第一件事做什么？
? {name}这事我该从哪儿下手？
? 别人劝我赶紧处理{name}，怎么处理？
= 先{step}。 | 第一件事是{step}。 | 别的放一放，{step}。
= 然后整理{papers:0}和{papers:1}。 | 接着找齐{papers}。 | -
= 心里要有数：{rule}。 | 法律上{rule}。 | -
= 不该做的是{mistake}。 | 最糟的做法是{mistake}。 | -

# one
? 处理{name}时人们常犯什么错？
? 邻居在{name}上吃了亏，可能错在哪里？
? 怎样避免{name}的纠纷？
= 最常见的是{mistake}。 | 通常是{mistake}。 | 不少人栽在{mistake}上。
= 应该{step}。 | 更聪明的做法是{step}，再等答复。 | 正确的顺序是先{step}。
= 还要盯住时限（{deadline}）。 | 也有人拖过了时间：{deadline}。 | -
= 归根到底，{rule}。 | -

# table
% 事项=name; 时限=deadline; 第一步=step; 常见错误=mistake
? 社区普法传单：{names}，列出{wanted}
? 请用表格概括{names}的{wanted}
= 仅供参考，具体情况以当地规定为准： | 简要说明如下： | -
"""

BOOKKEEPING = """
~ 我在{place}开了家小店。
~ {day}就考试了！
~ 金额是{amount}元。
~ 实习生{person}做的分录和我不一样。

# one
? {name}怎么做分录？
? {name}{amount}元，会计分录是什么？
? {name}涉及哪些科目？
? 写一下{name}的借贷方
! 借：{debit}　贷：{credit}
= 借记{debit}，贷记{credit}。 | 分录是借{debit}、贷{credit}。 | 借：{debit} {amount}；贷：{credit} {amount}。
= 理由是{why}。 | 因为{why}。 | 这样做是考虑到{why}。
= 附件用{paper}。 | 凭证后面附上{paper}。 | -
= 别{mistake}。 | 容易犯的错是{mistake}。 | -

# one
? {name}要附什么凭证？
? 审计问{name}的依据，拿什么给他？
? 只有银行回单，{name}能入账吗？
= 附{paper}。 | 审计要看{paper}。 | 依据是{paper}。
= 上面写清科目：{debit}和{credit}。 | 摘要里注明借{debit}、贷{credit}。 | -
= 旁边备注一句：{why}。 | -
= 会计档案一般要保存三十年，别早早扔掉。 | 当天扫描，省得以后翻。 | -

# one
? 为什么{name}要贷记{credit}？
? {name}的账务处理我想不通，道理在哪儿？
? 做{name}时思路是什么？
= 因为{why}。 | 关键就一句话：{why}。 | 逻辑是{why}。
= 所以{debit}在借方，{credit}在贷方。 | 于是借方是{debit}，另一边是{credit}。
= 反面例子是{mistake}。 | 看看错误做法就懂了：{mistake}。 | -

# one
? {name}入账时容易错在哪儿？
? {name}之后账不平，该查什么？
? 关于{name}，最典型的差错是什么？
= 典型的是{mistake}。 | 先查有没有{mistake}。 | 往往是{mistake}。
= 更正时先红字冲销，再借记{debit}、贷记{credit}。 | 冲掉原分录，重新借{debit}、贷{credit}。
= 金额和{paper}核对。 | 以{paper}上的数字为准。 | -
= 记住：{why}。 | -

# pair
? {a.name}和{b.name}的分录有什么不同？
? {day}既有{a.name}又有{b.name}，怎么入账？
? 两笔一起做：{a.name}、{b.name}
= 第一笔借{a.debit}，贷{a.credit}。 | {a.name}：借记{a.debit}，贷记{a.credit}。
= 第二笔借{b.debit}，贷{b.credit}。 | {b.name}：借记{b.debit}，贷记{b.credit}。
= 道理不同：{a.why}，而另一笔{b.why}。 | 前一笔{a.why}，后一笔{b.why}。 | -
= 附件分别是{a.paper}和{b.paper}。 | -

# table
% 业务=name; 借方=debit; 贷方=credit; 凭证=paper
? {names}，用表格写出{wanted}
? 整理{names}的{wanted}，新同事要用
= 金额略去不写： | 逐行和凭证核对： | -
"""

PRODUCTS = """
~ {month}买的。
~ {day}刚送到{place}。
~ 说明书找不到了。
~ 家里 wifi 正常。
~ 不好意思又来打扰。
~ 是店里的{person}让我来问的。
~ 订单号{order}。
~ 序列号是{order}，{date}购买。

# one
? 我的{name}出问题了：{problem}
? {name}{problem}，能修吗？
? 你好，{problem}，型号是{name}。
? 为什么{name}会{problem}？
= 很抱歉给您添麻烦了。 | 非常理解您的心情，对{name}的问题我们深表歉意。 | 感谢您的反馈！
= 请先检查三处：{checks}。 | 麻烦先看看{checks:0}和{checks:1}。 | 请看一下：\\n\\n{checks:num}
= 多数情况是{cause}。 | 可能是{cause}。 | -
= 如果是这样，{remedy}。 | 我们的处理办法：{remedy}。 | 解决方案：{remedy}。
= 要是再出现，请告诉我们购买日期。 | {day}之前没好转的话，请再联系我们。 | -

# one
? {name}退货之前要检查什么？
? 先不急着退{name}，我想自己看看，查哪里？
? {name}{problem}，有没有快速自查的办法？
= 看{checks}。 | 先看{checks:0}，再看{checks:1}，最后看{checks:2}。 | 自查清单：\\n\\n{checks:bul}
= 常见原因是{cause}。 | 十台退回来的有八台是{cause}。 | -
= 这种情况{remedy}就行。 | 那就不用退了：{remedy}。
= 否则请用箱子里的退货标签。 | 三十天内退货免运费。 | -

# one
? 替客服写一封回复：{name}{problem}
? 有客户投诉“{problem}”（{name}），请起草答复
? 写客服话术。产品：{name}；投诉：{problem}
= {person}您好：\\n\\n关于{name}{problem}的问题，给您带来不便，非常抱歉。
  | 尊敬的{person}：\\n\\n{problem}确实让人着急，我们完全理解。
= 技术同事判断是{cause}，因此{remedy}。 | 请先看看{checks:0}；如果没有问题，{remedy}。
= 祝好\\n{place}服务中心 | 此致\\n敬礼\\n\\n客服部

# one
? {name}{problem}的根本原因是什么？
? 师傅问：{name}为什么{problem}？我们有记录吗？
? {problem}是{name}的通病吗？
= 一般是{cause}。 | 我们遇到过，是{cause}。 | 多数反馈指向{cause}。
= 看{checks:1}和{checks:2}就能确认。 | {checks:0}会给您答案。 | -
= 处理：{remedy}。 | 对策是{remedy}。 | 然后{remedy}。

# table
% 产品=name; 问题=problem; 可能原因=cause; 处理=remedy
? 给客服台做一张表：{names}，含{wanted}
? 列出{names}的已知问题，表头为{wanted}
= 截至{month}： | 有新情况请往下补： | -
"""

JOBS = """
~ 大学读了{n}个学期，越读越不喜欢。
~ 邻居家的{person}今年十六岁。
~ 坐了十年办公室，想换一行。
~ {place}有个开放日。

# one
? {name}平时做些什么？
? 描述一下{name}的工作
? {name}的一天是怎么过的？
? 我想当{name}，这份工作怎么样？
= 主要工作是{tasks}。 | 要{tasks:0}，还要{tasks:1}。 | 三件事填满一天：\\n\\n{tasks:bul}
= 需要{skill}。 | 最看重{skill}。 | -
= 辛苦的是{hard}。 | 不那么愉快的是{hard}。 | -
= 好的一面是{good}。 | 回报是{good}。 | 干这行的人最喜欢的是{good}。

# one
? 怎么才能成为{name}？
? 当{name}需要什么学历和培训？
? 入行{name}走哪条路？
! {training}
= 路径：{training}。 | 一般要{training}。 | 通常的要求是{training}。
= 之前最好先实习一周。 | 实习很快就知道合不合适。 | -
= 面试更看重{skill}，而不是分数。 | 要让人看到这一点：{skill}。 | -
= 向同行打听{hard}这类情况。 | {hard}，这一点要想清楚。 | -

# one
? 我适合做{name}吗？
? {name}这一行的好处和坏处是什么？
? 内向的人能当{name}吗？
= 好处：{good}。 | 它的好，在于{good}。 | 先说优点，{good}。
= 坏处是{hard}。 | 缺点是{hard}。 | 得受得了{hard}。
= 靠{skill}就能应付。 | 靠的是{skill}，一部分可以练出来。 | -
= 大部分时间在{tasks:1}和{tasks:2}，先问问自己喜不喜欢。 | -

# one
? 写一段招聘{name}的广告开头
? {place}招{name}，帮忙拟招聘启事
= {place}诚聘{name}。 | 来{place}，和我们一起做{name}！
= 你将{tasks:0}、{tasks:1}、{tasks:2}。 | 岗位职责：{tasks}。
= 要求：{training}，另外要求{skill}。 | 我们看重{skill}，以及{training}。
= 为什么来？因为{good}。 | 可以保证一点：{good}。 | {month}到岗。

# pair
? {a.name}和{b.name}，哪个更适合我？
? 老师推荐了{a.name}和{b.name}，怎么比较？
? 从{a.name}转行做{b.name}，会有什么变化？
= {a.name}要{a.tasks:0}、{a.tasks:1}，{b.name}要{b.tasks:0}、{b.tasks:2}。 | 前者整天{a.tasks:1}，后者整天{b.tasks:1}。
= 门槛不同：一个是{a.training}，一个是{b.training}。 | 学历培训方面，前者{a.training}，后者{b.training}。
= 问问自己：{a.skill}，还是{b.skill}？ | 拼的是{a.skill}和{b.skill}。 | -
= 再想想能不能忍受{a.hard}，或者{b.hard}。 | 回报：{a.good}；{b.good}。 | -

# table
% 职业=name; 入行条件=training; 关键能力=skill; 辛苦之处=hard
? 生涯规划课：{names}的{wanted}，做成表
? 从{wanted}的角度对比{names}，要表格
= 可以贴在教室里： | 收入差别太大，就不列了： | -
"""

STUDY = """
~ 儿子{n}岁。
~ 五十岁重新上学。
~ {month}学期就结束了。
~ 我和{person}合住。

# one
? {name}有什么好办法？
? 求{name}的技巧
? 怎样才能把{name}做好？
? {name}对我来说太难了，从哪儿开始？
= 三招：{methods:0}，{methods:1}，{methods:2}。 | 先{methods:0}，之后{methods:1}。 | 试试这样：\\n\\n{methods:num}
= 最常见的错误是{mistake}。 | 别{mistake}。 | -
= 时间安排：{time}。 | {time}就够。 | 只要{time}。
= {sign}，就说明有效了。 | 哪天{sign}，就成了。 | -

# one
? {name}要花多少时间？
? 每天{name}练多久合适？
? 空闲不多，{name}现实吗？
! {time}
= 实际上{time}。 | {time}足够了。 | 留出{time}。
= 规律比时长重要。 | 少量多次胜过一口气。 | -
= 时间要用对：{methods:0}。 | 这段时间里{methods:1}、{methods:2}。 | -
= {sign}之后就可以减量。 | 一直做到{sign}。 | -

# one
? {name}我到底哪里做错了？
? 哪种错误最拖{name}的后腿？
? 为什么{name}一直没进步？
= 可能是{mistake}。 | 很多人把时间浪费在{mistake}上。 | 我猜是{mistake}。
= 换个做法：{methods:0}。 | 应该{methods:1}。 | 不如{methods:2}。
= 给自己{time}再下结论。 | 坚持{time}。 | -
= 开始慢，然后忽然有一天{sign}。 | -

# one
? 做一份能挂在墙上的{name}计划
? 写一周的{name}计划
= 计划：\\n\\n{methods:bul} | {methods:num}
= 用时：{time}。 | 时间：{time}。 | -
= 禁止：{mistake}。 | 红牌警告：{mistake}。 | -

# pair
? {a.name}和{b.name}能一起进行吗？
? {a.name}、{b.name}，先做哪个？
? 这学期想抓{a.name}和{b.name}，一周怎么分配？
= 前者留{a.time}，后者留{b.time}。 | {a.name}要{a.time}，{b.name}要{b.time}。
= 一个要{a.methods:0}，一个要{b.methods:1}。 | 各用一招：{a.methods:2}；{b.methods:0}。
= 别把{a.mistake}、{b.mistake}这样的毛病带过来。 | {a.mistake}会毁了一个，{b.mistake}会毁了另一个。 | -
= 等到{a.sign}、{b.sign}，就可以收工。 | -

# table
% 目标=name; 时间=time; 避免=mistake; 见效的标志=sign
? 自习室海报：{names}，每项写{wanted}
? 按{wanted}把{names}列成表
= 一次只做一个目标： | 贴墙上用： | -
"""

ANIMALS = """
~ 我们班要去{place}动物园。
~ {person}昨天画了一只。
~ {day}傍晚我见过一只。
~ 图书馆知识竞赛用。

# one
? {name}吃什么？
? {name}住在哪里，靠什么为生？
? 讲讲{name}的食性
! {food}
= 它吃{food}。 | 食谱里有{food}。 | 主要是{food}。
= 生活在{habitat}。 | 家在{habitat}。 | -
= 有人说它{myth}，但是{truth}。 | -
= 顺便一提，它{habit}。 | 还有一点，它{habit}。 | -

# one
? {name}能活多少年？
? {name}的寿命有多长？
? 野外的{name}一般活几岁？
! {life}
= 寿命{life}。 | 能活{life}。 | 一般{life}。
= 食物很重要，尤其是{food}。 | {food}少的地方活得短。 | -
= 它还以另一件事出名：{habit}。 | 特别之处在于它{habit}。 | -

# one
? {name}真的{myth}吗？
? 听说{name}{myth}，是真是假？
? 都说{name}{myth}，有道理吗？
! 假的
! 不是
= 这是谣传。 | 不是这样。 | 假的！
= 事实上{truth}。 | 真实情况是{truth}。 | 研究表明{truth}。
= 这个说法也许来自它{habit}的习性。 | 它还有同样神奇的本事：{habit}。 | -
= 它真正的家在{habitat}，吃的是{food}。 | -

# one
? 给小朋友写一份{name}的档案
? 做一张{name}的资料卡
? 几行字介绍{name}
= 家：{habitat}\\n食物：{food}\\n寿命：{life} | - 住处：{habitat}\\n- 食物：{food}\\n- 寿命：{life}
= 特长：{habit}。 | 你知道吗？它{habit}。 | -

# one
? 在哪儿能看到{name}？
? {name}生活在什么环境？
? 什么样的地方适合{name}？
! {habitat}
= 去{habitat}找。 | 它的地盘是{habitat}。 | 合适的环境是{habitat}。
= 那里有{food}。 | 那里找得到{food}。 | -
= 运气好能看到它{habit}。 | 留心它{habit}的样子。 | -
= 保持距离，别留垃圾。 | 清晨最容易见到。 | -

# pair
? {a.name}和{b.name}谁活得久？
? {a.name}与{b.name}有什么共同点和不同点？
? 作业题：比较{a.name}和{b.name}
= {a.name}{a.life}，{b.name}{b.life}。 | 寿命上，{a.name}是{a.life}，{b.name}是{b.life}。
= 一个住在{a.habitat}，一个住在{b.habitat}。 | 找前者要去{a.habitat}，找后者要去{b.habitat}。
= 食物也不同：{a.food}，对比{b.food}。 | -
= {a.name}{a.habit}，{b.name}{b.habit}。 | -

# table
% 动物=name; 栖息地=habitat; 食物=food; 寿命=life
? 动物一览表：{names}，列{wanted}
? 能把{names}的{wanted}写进表格吗？
= 数据以野生个体为准： | 教室墙报用： | -
"""

REPAIRS = """
~ {month}刚搬到{place}。
~ 家里只有一把锤子。
~ 房东不回消息。
~ {day}父母要来，急！

# one
? {name}怎么修？
? {name}能自己处理吗？
? 求助：{name}
? 家里{name}，该怎么办？
= 需要{tools}。 | 准备{tools}。 | 工具：{tools}。
= 步骤：\\n\\n{steps:num} | 先{steps:0}，再{steps:1}，然后{steps:2}，最后{steps:3}。 | 按这个顺序：\\n\\n{steps:num}
= 大约{time}。 | 用时{time}。 | -
= 提醒：{warn}。 | 千万记住，{warn}。 | 还有，{warn}。

# one
? {name}是什么原因？
? 为什么又{name}了？
? 怎样防止{name}？
= 一般是{cause}。 | 多半因为{cause}。 | 原因在于{cause}。
= {steps:1}、{steps:2}就能解决。 | 治本的办法是{steps:2}。 | -
= 家里常备{tools:0}，下次用得上。 | -
= 不管怎样，{warn}。 | 注意一点：{warn}。 | -

# one
? 修{name}要哪些工具？
? {name}，我去五金店该买什么？
? 对付{name}，工具箱里得有什么？
= 买{tools}。 | {tools}。 | 清单：\\n\\n{tools:bul}
= 有了这些就能{steps:1}、{steps:2}。 | 够用了，可以{steps:0}和{steps:1}。 | -
= 预留{time}。 | 总共要忙{time}。 | -

# one
? 处理{name}要多久？
? {name}一个晚上搞得定吗？
? {name}要不要请师傅，还是很快就好？
! {time}
= 算上准备{time}。 | 熟练的话{time}。 | 顺利的话，{time}。
= 最慢的是第三步：{steps:2}。 | 时间大多花在{steps:3}上。 | -
= 如果不是{cause}，就请师傅。 | 发现不止{cause}这么简单，就找人来看。 | -
= 只叮嘱一句：{warn}。 | -

# table
% 故障=name; 原因=cause; 用时=time; 注意=warn
? 家庭维修手册：{names}，列{wanted}
? 按{wanted}把{names}归到一张表里
= 放在文件夹第一页： | 拿不准就叫物业： | -
"""

HOBBIES = """
~ 我倒班。
~ 膝盖不如从前了。
~ {person}和我想一起学点什么。
~ {place}有个社团可以试课。

# one
? {name}怎么入门？
? 想开始学{name}，要知道些什么？
? 求{name}新手指南！
? {name}适合我吗？
= 准备{gear}。 | 只需要{gear}。 | 装备不多：{gear}。
= 一开始先{first}。 | 头几周{first}。 | 第一步，{first}。
= 不要{error}。 | 新手容易{error}。 | -
= 保持节奏：{rhythm}。 | 频率以{rhythm}为宜。 | -
= 很快就有回报：{benefit}。 | 你会发现{benefit}。 | -

# one
? {name}要买什么装备？
? 玩{name}开销大吗，要置办哪些东西？
? 朋友刚开始{name}，送什么生日礼物好？
= 必需的是{gear}。 | {gear}，就这些。 | 买这几样就够：\\n\\n{gear:bul}
= 先借后买。 | 二手的也行。 | 缺的可以向{place}的社团借。 | -
= 比装备更要紧的是{first}。 | 店里买不到的是练习，所以要{first}。 | -

# one
? {name}有什么好处？
? 为什么那么多人迷上{name}？
? {name}能减压吗？
= 最大的好处是{benefit}。 | 一个原因：{benefit}。 | 玩的人都说{benefit}。
= 有节奏效果最好，比如{rhythm}。 | {rhythm}就够了。 | -
= {error}就没意思了。 | 最扫兴的是{error}。 | -
= 试一个月，第一周先{first}。 | -

# one
? 新手玩{name}常犯哪些错？
? {name}一直没长进，有建议吗？
? 教练说我{name}有个坏习惯，会是什么？
= 典型的是{error}。 | 大概是{error}。 | 几乎人人都会{error}。
= 回过头去{first}。 | 补救办法：再来一遍，{first}。 | 两周之内只做一件事：{first}。
= 节奏别断：{rhythm}。 | 练习频率：{rhythm}。 | -

# pair
? 累了一天，{a.name}和{b.name}选哪个？
? 只有时间学一样，{a.name}还是{b.name}？
? {a.name}跟{b.name}搭配得来吗？
= {a.name}的好处是{a.benefit}，{b.name}则是{b.benefit}。 | 学前者，{a.benefit}；学后者，{b.benefit}。
= 一个要准备{a.gear}，另一个要{b.gear}。 | 装备：{a.gear}，或者{b.gear}。
= 节奏上，{a.rhythm}对{b.rhythm}。 | -
= 从小处开始，要么{a.first}，要么{b.first}。 | 新手一边容易{a.error}，一边容易{b.error}。 | -

# table
% 爱好=name; 装备=gear; 第一步=first; 节奏=rhythm; 收获=benefit
? 社区活动中心要一张表：{names}，写{wanted}
? 请列出{names}的{wanted}，表格形式
= 公告栏用： | {month}可以免费试课： | -
"""
