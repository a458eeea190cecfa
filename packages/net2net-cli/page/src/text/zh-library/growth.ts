/** Growth: what it refuses, and why. */
export const growth: Readonly<Record<string, string>> = {
  'The plan grows axis {0} of "{1}" from {2}, but its shape is [{3}].':
    '计划要把“{1}”的轴 {0} 从 {2} 扩展，但它的形状是 [{3}]。',
  'Apply the plan to the model that it was made for.': '请把计划用于它所针对的模型。',
  'The plan names the units "{0}" but does not have them.': '计划提到了单元“{0}”，但没有它们。',
  'Units are added to two factors of one axis.': '一个轴的两个因子都添加了单元。',
  'The plan lists {0} values for the new entries of "{1}", which has {2} of them.':
    '计划为“{1}”的新项列出 {0} 个值，但它有 {2} 个新项。',
  'The plan expects "{0}" with shape [{1}], but it has [{2}].':
    '计划要求“{0}”的形状为 [{1}]，但它是 [{2}]。',
  'The plan deepens after the value "{0}", which this model does not have.':
    '计划要在值“{0}”之后加深，而这个模型没有它。',
  'The plan expects {0} entries on axis {1} of "{2}", but it has {3}.':
    '计划要求“{2}”的轴 {1} 上有 {0} 项，但它有 {3} 项。',
  'The plan repeats what ends at the value "{0}", which this model does not have.':
    '计划要复制以值“{0}”结束的部分，而这个模型没有它。',
  'Weights by the gradient (gradmax)': '按梯度取权重 (gradmax)',
  'Widths by what they gain (auto)': '按收益取宽度 (auto)',
  '{0} need samples to measure on.': '{0} 需要用来测量的样本。',
  'Give them with --data, or to growMeasured.': '请用 --data 给出，或交给 growMeasured。',
  '{0}, and {1}': '{0}，并且 {1}',
  '{0}, whose split does not fit with the one that {1} needs': '{0}，它的拆分与 {1} 所需的不相容',
  'what it sums cannot be split': '它所求和的东西不能拆分',
  'neither can be split along it': '两者都不能沿它拆分',
  'joins it with what cannot be scaled alike': '把它与不能同样缩放的东西合在一起',
  'leaves too many ways to split it': '留下太多种拆分的方式',
  'does not scale with its input': '不随它的输入缩放',
  'composes it in a way that is not followed': '以一种无法跟踪的方式组成它',
  'would have to be copied and split at once': '必须同时被复制和拆分',
  'reads "{0}", which has no fractions': '读取“{0}”，而它没有小数',
  'reads it from outside': '从外部读取它',
  'has it on two axes': '在两个轴上有它',
  'concatenates too many parts': '拼接了太多部分',
  'sums over it in the weight "{0}"': '在权重“{0}”中对它求和',
  'has it twice on one axis': '在一个轴上两次有它',
  'has an axis of more parts than can be followed': '有一个轴，其部分多得无法跟踪',
  'graph output "{0}"': '图的输出“{0}”',
  'reads them in a subgraph': '在子图中读取它们',
  'lists numbers that are computed from sizes': '列出由大小算出的数',
  'is an operator that is not known': '是未知的算子',
  'an axis of "{0}"': '“{0}”的一个轴',
  'an axis of the input "{0}"': '输入“{0}”的一个轴',
  'graph input "{0}"': '图的输入“{0}”',
  'says nothing of the axes of this output': '没有说明这个输出的各个轴',
  'computes with the size of the axis': '用这个轴的大小来计算',
  'sums over it in "{0}", which the same weight reads without a sum, too':
    '在“{0}”中对它求和，而同一个权重还有一处不求和地读取它',
  'joins two axes that are composed differently': '把两个组成不同的轴合在一起',
  'joins concatenations of different sizes': '把大小不同的拼接合在一起',
  'drops an axis of size one': '去掉一个大小为 1 的轴',
  'takes concatenated parts for groups': '把拼接的部分当作组',
  'takes a part of an axis inside of it': '取了一个轴内部的一段',
  'sums over it with a weight': '用权重对它求和',
  'reads "{0}", whose rank is not known': '读取“{0}”，而它的秩未知',
  'reads positions of it that are computed': '读取它的、由计算得出的位置',
  'has no axis {0} at input {1}': '在输入 {1} 上没有轴 {0}',
  'computes its size in a way that cannot be followed': '以一种无法跟踪的方式计算它的大小',
  'takes another size for it ({0})': '把它当作另一个大小（{0}）',
  'has another size for it in its attribute "{0}"': '在属性“{0}”中给它另一个大小',
  'takes an axis apart into more parts than can be followed': '把一个轴拆成多得无法跟踪的部分',
  'fixes it to size one': '把它固定为大小 1',
  'An axis was bound after all axes had been related.':
    '在所有轴都建立关系之后，又有一个轴被绑定。',
  'it has a single output that stands for no unit': '它只有一个输出，不代表任何单元',
  '{0} more': '另外 {0} 个',
  ' through {0}': ' 经过 {0}',
  'its units reach {0}{1}': '它的单元通到 {0}{1}',
  'its units reach {0}{1}, which {2}': '它的单元通到 {0}{1}，而那里{2}',
  '{0} cannot grow to {1} units: {2}.': '{0} 不能扩展到 {1} 个单元：{2}。',
  'The widths of {0} are no multiples of the old ones, and {1}: widen one after the other.':
    '{0} 的宽度不是旧宽度的倍数，并且{1}：请逐个变宽。',
  'No layer to widen was given.': '没有给出要变宽的层。',
  '{0} cannot have {1}: it grows together with a layer that takes it to {2}.':
    '{0} 不能有 {1}：它与另一层一起扩展，那一层使它成为 {2}。',
  'The factor {0} for {1} does not make it larger.': '{1} 的倍数 {0} 不会使它变大。',
  '"{0}" is not a width for {1}; give a whole number, or a factor as x2.':
    '“{0}”不是 {1} 的宽度；请给出整数，或像 x2 这样的倍数。',
  'the model does not say its width': '模型没有说明它的宽度',
  '{0} cannot be widened: {1}.': '{0} 不能变宽：{1}。',
  '{0} cannot get {1}; the largest is {2}.': '{0} 不能得到 {1}；最大的是 {2}。',
  'has {0}; the new width must be larger, not {1}': '有 {0}；新的宽度必须更大，而不是 {1}',
  'grows together with another layer to {0}; it cannot have {1}':
    '与另一层一起扩展到 {0}；它不能有 {1}',
  'a multiple of {0}': '{0} 的倍数',
  '{0} plus a multiple of {1}': '{0} 加上 {1} 的倍数',
  ', and none can be added: {0}': '，并且不能添加单元：{0}',
  ' (every unit needs equally many copies: {0}{1})': '（每个单元的副本数必须相同：{0}{1}）',
  ' because its units come in groups': '，因为它的单元成组出现',
  'cannot have {0}{1}; choose {2}': '不能有 {0}{1}；请选择 {2}',
  '{0} heads': '{0} 个头',
  '{0} heads of keys and values': '{0} 个键和值的头',
  'heads of size {0}': '大小为 {0} 的头',
  'queries and keys of size {0}': '大小为 {0} 的查询和键',
  'values of size {0}': '大小为 {0} 的值',
  'its only head has no axis of its own': '它唯一的头没有自己的轴',
  'the only head of its keys and values has no axis of its own': '它的键和值唯一的头没有自己的轴',
  'no layer has an axis for it': '没有哪一层有它的轴',
  'width {0}': '宽度 {0}',
  'None of the {0} that "{1}" fits can be widened: {2}: {3}.':
    '“{1}”所指的 {0} 中没有可以变宽的：{2}：{3}。',
  'There is no attention in the model, of which "{0}" could be one.':
    '模型中没有注意力，“{0}”不会是其中之一。',
  '"{0}" could be any of the attentions {1}.': '“{0}”可以是注意力 {1} 中的任何一个。',
  'Give the full name, or a pattern.': '请给出全名，或一个模式。',
  'There is no attention "{0}"; there are {1}.': '没有注意力“{0}”；有 {1}。',
  '{0} and {1} more': '{0} 以及另外 {1} 个',
  '"{0}" could be any of the layers {1}.': '“{0}”可以是层 {1} 中的任何一个。',
  'Give the full name.': '请给出全名。',
  'The model has no layer with weights of its own{0}.': '模型没有自带权重的层{0}。',
  '{0} nodes': '{0} 个节点',
  'There is no layer "{0}"; the layers are {1}.': '没有层“{0}”；各层是 {1}。',
  'Did you mean "{0}"?': '你是指“{0}”吗？',
  'An axis of size {0} is not made up of parts of size {1}.':
    '大小为 {0} 的轴不是由大小为 {1} 的部分组成的。',
  'The model leaves sizes open that the growth needs; fix its input sizes first.':
    '模型没有确定扩展所需的大小；请先固定它的输入大小。',
  'The size of the units "{0}" was not chosen.': '单元“{0}”的大小没有选定。',
  'is changed by two widths at once that are no multiples': '同时被两个不是倍数的宽度改变',
  'computes a factor of a product that is summed over them': '计算一个要对它们求和的乘积的因子',
  'reduces them': '对它们做归约',
  'sums over products of them without a weight': '不用权重就对它们的乘积求和',
  '{0}, and what it takes there is not {1} at units that are added':
    '{0}，而它在那里取用的东西在添加的单元上不是{1}',
  'the mean of the others': '其余的均值',
  'gives its statistics to other nodes': '把它的统计量交给其他节点',
  'has a scale or shift that is computed': '有由计算得出的缩放或平移',
  'noiseSize must be a number that is not negative, not {0}.':
    'noiseSize 必须是非负数，而不是 {0}。',
  'units {0}': '单元 {0}',
  'The size of {0} is not known.': '{0} 的大小未知。',
  '"{0}" lists sizes and would have to grow itself, both for some of its readers only.':
    '“{0}”列出大小，并且自己也必须扩展，而两者都只为它的一部分读者。',
  'Element {0} of "{1}" is a size for two axes of {2}, which now differ.':
    '“{1}”的第 {0} 个元素是 {2} 的两个轴的大小，而这两个轴现在不同了。',
  'Attribute {0} of {1} would need two different values.': '{1} 的属性 {0} 需要两个不同的值。',
  '{0} in it holds a graph of its own': '其中的 {0} 带有自己的图',
  '{0} follows its sum, and applied twice it is not what it is once':
    '它的和之后是 {0}，应用两次与应用一次不同',
  '{0} normalizes its sum (a post-norm block), and normalizing twice is not what it is once':
    '{0} 对它的和做归一化（后归一化的块），归一化两次与一次不同',
  'what {0} computes': '{0} 所计算的',
  'no residual block holds it: {0}, the next sum, adds {1}, and not the value that it is computed from':
    '没有残差块包含它：下一个求和 {0} 加上的是 {1}，而不是它由之算出的值',
  'no residual block holds it: no sum behind it adds the value that it is computed from':
    '没有残差块包含它：它之后没有求和加上它由之算出的值',
  'the number of its channels is not known': '它的通道数未知',
  'the statistics are not of its {0} channels': '统计量不是它的 {0} 个通道的',
  'No block to repeat was given.': '没有给出要复制的块。',
  '{0} cannot be repeated: {1}': '{0} 不能复制：{1}',
  'Of what "{0}" fits nothing can be repeated: ': '“{0}”所指的没有可以复制的：',
  'A gate of zeros serves any branch (start: identity).':
    '全零的门适用于任何分支（start: identity）。',
  'The blocks {0} and {1} overlap; repeat one after the other.':
    '块 {0} 和 {1} 有重叠；请逐个复制。',
  'its stream "{0}" is not known to be floating-point': '不知道它的流“{0}”是不是浮点数',
  'its stream changes its shape from [{0}] to [{1}]': '它的流的形状从 [{0}] 变为 [{1}]',
  '{0}, the end of its branch, {1}': '它的分支末端的 {0} {1}',
  'is not linear in parameters that could be zero': '对可以为零的参数不是线性的',
  '"{0}" could be any of the modules {1}.': '“{0}”可以是模块 {1} 中的任何一个。',
  'the blocks of {0} and {1} are not parts of one stream': '{0} 和 {1} 的块不是同一个流的部分',
  'The rank of an adapter must be a whole number from 1 on, not {0}.':
    '适配器的秩必须是从 1 起的整数，而不是 {0}。',
  'The alpha of an adapter must be a positive number, not {0}.':
    '适配器的 alpha 必须是正数，而不是 {0}。',
  'None of the layers that "{0}" fits can have an adapter: of {1}, {2}.':
    '“{0}”所指的层都不能有适配器：例如 {1}，{2}。',
  '{0} cannot have an adapter: {1}.': '{0} 不能有适配器：{1}。',
  'its weight is computed from constants (an adapter is merged before there is another)':
    '它的权重由常量计算得出（先合并适配器，才能再加一个）',
  'its weight is of type {0}': '它的权重是 {0} 类型',
  'its weight [{0}] is neither a matrix nor a kernel': '它的权重 [{0}] 既不是矩阵，也不是卷积核',
  'The rank {0} is larger than the weight of {1}, which is {2} × {3}.':
    '秩 {0} 大于 {1} 的权重，后者为 {2} × {3}。',
  'No kernel to enlarge was given.': '没有给出要加大的卷积核。',
  'None of the layers that "{0}" fits has a kernel.': '“{0}”所指的层都没有卷积核。',
  '{0} cannot have a larger kernel: {1}.': '{0} 不能有更大的卷积核：{1}。',
  'it has none': '它没有',
  'its weight is computed from constants': '它的权重由常量计算得出',
  '[{0}] is no kernel for {1}, which has [{2}]; give a whole number up to {3}, or one for each axis.':
    '[{0}] 不是 {1} 的卷积核，后者为 [{2}]；请给出不超过 {3} 的整数，或每个轴一个。',
  '{0} has the kernel [{1}]; the new one must be larger, not [{2}].':
    '{0} 的卷积核是 [{1}]；新的必须更大，而不是 [{2}]。',
  '{0} cannot have the kernel [{1}]: from [{2}] one side would get more zeros than the other; add an even number.':
    '{0} 不能有卷积核 [{1}]：从 [{2}] 起，一侧会比另一侧多出零；请增加偶数。',
  'Sizes of inputs change by themselves: new entries, and how these start, are a step of their own.':
    '输入的大小要单独改变：新的项及其初值是单独的一步。',
  'start must be one of {0} and like:INDEX, not {1}.':
    'start 必须是 {0} 或 like:序号，而不是 {1}。',
  '{0} has no entry {1} to begin like: there are those from {2} to {3}.':
    '{0} 没有可供仿照的第 {1} 项：有从 {2} 到 {3} 的项。',
  '{0} cannot be extended: its entries reach {1}, which {2}.':
    '{0} 不能增加：它的项通到 {1}，而那里{2}。',
  '{0} cannot be extended: the new entries would come between old ones of the {1} "{2}" (axis {3}).':
    '{0} 不能增加：新的项会落在 {1}“{2}”（轴 {3}）的旧项之间。',
  'The model names its {0} classes, and no output of that size is extended: leave the names out.':
    '模型给出了它的 {0} 个类别的名称，而没有增加这个大小的输出：请不要给名称。',
  'The model has no names of classes, to which these could be added.':
    '模型没有可以续写的类别名称。',
  'The model names its {0} classes: name the {1} as well.':
    '模型给出了它的 {0} 个类别的名称：请也给出{1}的名称。',
  'new one': '新的那个',
  '{0} new ones': '{0} 个新的',
  'Give them with --names a,b,c (in JavaScript: classes).':
    '请用 --names a,b,c 给出（在 JavaScript 中：classes）。',
  'There are {0} new classes, but {1} names.': '有 {0} 个新类别，但有 {1} 个名称。',
  'There would be two classes "{0}".': '会有两个类别“{0}”。',
  '{0} makes probabilities of it, and ': '{0} 由它得出概率，并且',
  '{0} cannot be extended by entries that start unlikely: {1}{2}.':
    '{0} 不能增加开始时概率很小的项：{1}{2}。',
  'Without --unlikely the old probabilities change (--no-unlikely).':
    '不用 --unlikely，旧的概率会改变（--no-unlikely）。',
  'no layer computes it': '没有哪一层计算它',
  '{0} has no bias, and none can be inserted behind it': '{0} 没有偏置，也不能在其后插入偏置',
  "{0} lies between it and the layer's units": '{0} 位于它和那一层的单元之间',
  'There is no input "{0}"; the inputs are {1}.': '没有输入“{0}”；各输入是 {1}。',
  'The input "{0}" has no spatial axes: [{1}] would need a batch, channels, and one size or more.':
    '输入“{0}”没有空间轴：[{1}] 需要批、通道，以及至少一个大小。',
  'The input "{0}" has no fixed size along axis {1} ({2}): it takes any size already.':
    '输入“{0}”沿轴 {1} 没有固定的大小（{2}）：它本来就接受任何大小。',
  '"{0}" is no size of the input "{1}"; write for example {2}.':
    '“{0}”不是输入“{1}”的大小；请写成例如 {2}。',
  '"{0}" gives {1} {2}, but the input "{3}" has {4} spatial {5}; write for example {6}.':
    '“{0}”给出 {1} 个{2}，但输入“{3}”有 {4} 个空间{5}；请写成例如 {6}。',
  'the sizes of what it gives cannot be told': '无法判断它给出的大小',
  'it is for the old size. {0}': '它是为旧的大小准备的。{0}',
  'axis {0} from {1} to {2}': '轴 {0} 从 {1} 到 {2}',
  'The input "{0}" cannot get another size ({1}) because of {2}: {3}.':
    '输入“{0}”不能有别的大小（{1}），因为 {2}：{3}。',
  'Export the model at the new size with the same weights, or with a global pooling before its dense layers.':
    '请用相同的权重按新的大小导出模型，或在全连接层之前加全局池化。',
  'which of its sizes [{0}] change cannot be told': '无法判断它的大小 [{0}] 中哪些会变',
  'where its size {0} is written down cannot be told': '无法判断它的大小 {0} 写在哪里',
  'its window of {0} is the whole of what it reads, and would be a part':
    '它的窗口 {0} 是它读取的全部，而将只是一部分',
  'it cuts axis {0} at {1}, which is an old size': '它在 {1} 处截断轴 {0}，而那是旧的大小',
  'it makes the same {0} of {1} and {2} along axis {3}, so that it cannot be told which sizes that are written down change; take a size further from the old one':
    '它沿轴 {3} 由 {1} 和 {2} 得出相同的 {0}，因此无法判断写下的大小中哪些会变；请取离旧大小更远的大小',
  '{0} has the entries of {1}: both get as many new ones, or one is left out.':
    '{0} 的项就是 {1} 的项：两者要增加同样多，或者只给一个。',
  'Nothing to extend was given.': '没有给出要增加的东西。',
  '"{0}" is no number of new entries for {1}; write for example +5 (at most {2}).':
    '“{0}”不是 {1} 的新项数；请写成例如 +5（至多 {2}）。',
  'There is no output "{0}"; the outputs are {1}.': '没有输出“{0}”；输出有 {1}。',
  '"{0}" could be any of the outputs {1}.': '“{0}”可以是输出 {1} 中的任何一个。',
  '"{0}" could be any of the inputs {1}.': '“{0}”可以是输入 {1} 中的任何一个。',
  'The output "{0}"': '输出“{0}”',
  'The input "{0}"': '输入“{0}”',
  'no layer computes one of its axes unit by unit': '没有哪一层逐个单元地计算它的一个轴',
  'no layer reads one of its axes unit by unit': '没有哪一层逐个单元地读取它的一个轴',
  '{0} cannot be extended: {1}.': '{0} 不能增加：{1}。',
  '{0} cannot get {1} new entries: its entries come in groups of {2}.':
    '{0} 不能增加 {1} 项：它的项以 {2} 个为一组。',
  'axis {0} holds the units of {1}': '轴 {0} 是 {1} 的单元',
  'axis {0} is summed by {1}': '轴 {0} 由 {1} 求和',
  '{0} cannot be extended: the model does not say the size of its axis.':
    '{0} 不能增加：模型没有说明它的轴的大小。',
  'The model has no vocabulary: no layer looks up rows of a table by numbers that an input gives.':
    '模型没有词表：没有哪一层按输入给出的编号在表中查行。',
  'The model has no learned table of positions: no layer looks up rows of a table by numbers that it computes itself, and none is cut to the length of an input.':
    '模型没有学到的位置表：没有哪一层按自己计算的编号在表中查行，也没有哪个表截取到输入的长度。',
  'The table of {0}': '{0} 的表',
  'The output "{0}" (axis {1})': '输出“{0}”（轴 {1}）',
  'axis {0} has an entry for each of the {1} rows of {2}':
    '轴 {0} 的每一项对应 {2} 的 {1} 行中的一行',
  'its positions are written down in the model, whose declared length does not follow from the table':
    '它的位置写在模型里，而模型声明的长度不随这个表变化',
  '{0} takes a part of "{1}", which has {2} entries as well and does not follow':
    '{0} 取了“{1}”的一部分，后者也有 {2} 项，并且不随之变化',
  'No layer to deepen was given.': '没有给出要加深的层。',
  '{0} cannot be deepened: {1}.': '{0} 不能加深：{1}。',
  'None of the layers that "{0}" fits can be deepened: {1}: {2}.':
    '“{0}”所匹配的层都不能加深：{1}：{2}。',
  'it has no kernel, and neither would a layer behind it': '它没有卷积核，它后面的层也不会有',
  'A kernel of {0} is none for a layer behind {1}: give a whole number from 1 to {2}, or one for each of its {3} axes.':
    '{0} 不是 {1} 之后一层的卷积核：请给出从 1 到 {2} 的整数，或为它的 {3} 个轴各给一个。',
  'its values are of type {0}': '它的值是 {0} 类型',
  '{0} cannot get units with weights of their own: {1}.': '{0} 不能得到有自己权重的单元：{1}。',
  'every unit must be copied equally often, since a node {0}':
    '每个单元的副本数必须相同，因为一个节点{0}',
  '{0} reduces them without weights': '{0} 不用权重就对它们做归约',
  '{0} of {1}': '{1} 的 {0}',
  'the mean of the old ones': '旧的各项的均值',
  'those of an old one': '某一旧项的值',
  'as measured': '按测量',
  'new entries {0}': '新项 {0}',
  ' minus {0} (unlikely)': ' 减去 {0}（概率很小）',
  'new entries {0}{1}': '新项 {0}{1}',
  'The new entries of {0} are not along one axis.': '{0} 的新项不在一个轴上。',
  'To grow by itself a training needs a set of samples, not batches.':
    '要自行扩展，训练需要样本集，而不是批。',
  'The training data': '训练数据',
  '{0}; but no growth fits{1}': '{0}；但没有合适的扩展{1}',
  ' within the limits': '（在限度之内）',
  '{0} cannot be widened by the gradient: {1}.': '{0} 不能按梯度变宽：{1}。',
  'Copies of units (net2wider) may be possible.': '单元的副本 (net2wider) 也许可行。',
  'No units can be added to {0}: an axis of "{1}" is a product of its units with themselves.':
    '不能给 {0} 添加单元：“{1}”的一个轴是它的单元与自身的乘积。',
  'Units cannot be added to {0} and to {1} at once: an axis of "{2}" is a product of both. Let one grow after the other.':
    '不能同时给 {0} 和 {1} 添加单元：“{2}”的一个轴是两者的乘积。请逐个扩展。',
  'its units have no weights that one could choose': '它的单元没有可供选择的权重',
  'its units are read without weights': '读取它的单元时不用权重',
  'no gradient of the loss reaches what is new': '损失的梯度到不了新的部分',
  'without an activation in between, both layers are one linear map, which the old one can learn alone':
    '中间没有激活函数时，两层合为一个线性映射，旧的那层自己就能学会',
  'no activation lies between its units and what reads them, and {0} units are enough for every linear map: it has {1}':
    '它的单元与读取它们的部分之间没有激活函数，{0} 个单元就足以表示任何线性映射，而它有 {1} 个',
  '{0} must be a whole number from 1 on, not {1}.': '{0} 必须是从 1 起的整数，而不是 {1}。',
  'The data': '数据',
  'The data are empty.': '数据是空的。',
  'The model does not tell which loss it was trained with: give one.':
    '模型没有说明它是用哪个损失函数训练的：请给出一个。',
  'Known by name: {0}.': '已知的有：{0}。',
  'by must be parameters or multiply-adds, not {0}.':
    'by 必须是 parameters 或 multiply-adds，而不是 {0}。',
  'added must be a number from 0 on, not {0}.': 'added 必须是从 0 起的数，而不是 {0}。',
  'The multiply-adds are not known: the model leaves a size open.':
    '乘加数未知：模型没有确定某个大小。',
  'Nothing can be widened by {0} more {1}: the smallest unit adds {2}.':
    '没有什么能以至多 {0} 个{1}变宽：最小的单元要增加 {2} 个。',
  'Nothing can be widened by what it gains{0}.': '没有什么能按收益变宽{0}。',
  'growths must be some of {0}, not {1}.': 'growths 必须取自 {0}，而不是 {1}。',
  'factor must be a number above 1 and at most {0}, not {1}.':
    'factor 必须是大于 1、至多 {0} 的数，而不是 {1}。',
}
