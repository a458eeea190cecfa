/** Files of Keras, PyTorch and safetensors. */
export const bridges: Readonly<Record<string, string>> = {
  '{0} does not say the shape of its input: the model was never built.':
    '{0} 没有说明它的输入形状：这个模型从未构建。',
  'Begin it with keras.Input(…), or call it once before you save it.':
    '请以 keras.Input(…) 开始，或在保存之前调用它一次。',
  'The layer {0} has {1} outputs in a sequence.': '层 {0} 在序列中有 {1} 个输出。',
  '{0}: a model has no layers but inputs.': '{0}：模型除输入外没有层。',
  '{0}: the inputs of {1} are not in the file.': '{0}：{1} 的输入不在文件中。',
  '{0}: its output {1} is not in the file.': '{0}：它的输出 {1} 不在文件中。',
  '{0}: the input {1} has no shape.': '{0}：输入 {1} 没有形状。',
  '{0}: the input {1} has the type {2}, which is not supported.':
    '{0}：输入 {1} 的类型 {2} 不受支持。',
  '{0}: the layer {1} has no input.': '{0}：层 {1} 没有输入。',
  '{0} has no variable {1} for the layer {2}.': '{0} 没有层 {2} 的变量 {1}。',
  '{0} is of type {1}; only float32 variables are supported.':
    '{0} 是 {1} 类型；只支持 float32 的变量。',
  'Save the model with its variables in float32: the policies "float32" and "mixed_float16" keep them so.':
    '请以 float32 的变量保存模型：策略“float32”和“mixed_float16”都保留 float32。',
  '{0} holds a model of the class {1}; only Sequential and Functional models say in the file what they compute.':
    '{0} 存放的是 {1} 类的模型；只有 Sequential 和 Functional 模型在文件中说明它们计算什么。',
  'Export it as ONNX (model.export(FILE, format="onnx")) and grow that.':
    '请把它导出为 ONNX（model.export(FILE, format="onnx")）再扩展。',
  '{0}: the model {1} has no layers.': '{0}：模型 {1} 没有层。',
  '{0} has two layers {1}.': '{0} 有两个叫 {1} 的层。',
  '{0} of {1} is the operation {2} of keras.ops, which is not supported.':
    '{1} 的 {0} 是 keras.ops 的运算 {2}，不受支持。',
  'Use a layer for it, or: {0}': '请用一个层代替它，或：{0}',
  'The layer {0} of {1} is of the class {2}, which is not supported.':
    '{1} 的层 {0} 属于 {2} 类，不受支持。',
  'The layer {0} of {1} is quantized ({2}), and numbers that were rounded so do not grow.':
    '{1} 的层 {0} 是量化的（{2}），这样舍入过的数不能扩展。',
  'Grow the network before it is quantized.': '请在量化之前扩展网络。',
  '{0} has no variable {1} for the layer {2} (at {3}).': '{0} 没有层 {2} 的变量 {1}（位于 {3}）。',
  '{0} has {1} variables for the layer {2}, which needs {3}.':
    '{0} 有层 {2} 的 {1} 个变量，而它需要 {3} 个。',
  '{0} lists {1} and does not hold it.': '{0} 列出了 {1}，但其中没有它。',
  'no target shape': '没有目标形状',
  'no {0} of {1} axes': '没有 {1} 个轴的 {0}',
  'the interpolation {0}': '插值 {0}',
  'Export the model as ONNX (model.export(FILE, format="onnx")) and grow that.':
    '请把模型导出为 ONNX（model.export(FILE, format="onnx")）再扩展。',
  'The layer {0} ({1}) has {2}, which is not supported.': '层 {0}（{1}）有{2}，不受支持。',
  'no number {0}': '没有数 {0}',
  'no {0} numbers {1}': '没有 {0} 个数 {1}',
  'an input of {0} axes': '{0} 个轴的输入',
  'the axis {0}': '轴 {0}',
  'the activation {0}': '激活函数 {0}',
  'a state that lasts from batch to batch': '从一批保留到下一批的状态',
  'zero_output_for_mask for its last output': '最后输出的 zero_output_for_mask',
  'a layer {0} inside': '内部的层 {0}',
  'the merge mode {0}': '合并方式 {0}',
  '{0} nests more than {1} lists and tables in one another.': '{0} 中列表和表格的嵌套超过 {1} 层。',
  '{0} is not JSON.': '{0} 不是 JSON。',
  '{0} is not a table.': '{0} 不是表格。',
  'the padding {0}': '填充 {0}',
  'the operand {0}': '操作数 {0}',
  'the initial value {0}': '初始值 {0}',
  'the key {0}': '索引 {0}',
  'a number as an operand': '一个数作为操作数',
  'as floats': '作为浮点数',
  'RMS scaling': 'RMS 缩放',
  'no scale and no shift': '没有缩放，也没有平移',
  '{0} inputs': '{0} 个输入',
  'inputs of different ranks': '秩不同的输入',
  'inputs of which only some are masked': '只有一部分被屏蔽的输入',
  'the axes {0}': '轴 {0}',
  'its one unit has one bias': '它唯一的单元有一个偏置',
  'a LoRA adapter': 'LoRA 适配器',
  'the equation {0}': '算式 {0}',
  'the attention axes {0}': '注意力的轴 {0}',
  'its scores as an output': '把得分作为输出',
  'an output of several axes': '有几个轴的输出',
  'its keys and values have one depth': '它的键和值只有一个深度',
  'its output is as wide as its queries are': '它的输出与查询同宽',
  'a threshold, or a largest value with a slope': '一个阈值，或带斜率的最大值',
  'a masked input': '被屏蔽的输入',
  'several axes': '几个轴',
  '{0} has no {1}: it is not a file that Keras 3 saved.':
    '{0} 没有 {1}：它不是 Keras 3 保存的文件。',
  'Save one: model.save("model.keras").': '请保存一个：model.save("model.keras")。',
  '{0} has its weights in several parts, which is not supported.':
    '{0} 的权重分成几部分，不受支持。',
  'Save it without max_shard_size.': '请不用 max_shard_size 保存它。',
  'config.json of {0}': '{0} 的 config.json',
  'model.weights.h5 of {0}': '{0} 的 model.weights.h5',
  '{0} holds no model: it has no attribute model_config.':
    '{0} 没有模型：它没有属性 model_config。',
  'Weights alone say nothing of the network: save the whole model (model.save).':
    '只有权重不能说明网络：请保存整个模型（model.save）。',
  '{0} is absurdly long.': '{0} 长得离谱。',
  'The attribute {0} is longer than the 64 KiB that an HDF5 attribute may have.':
    '属性 {0} 超过 HDF5 属性所能有的 64 KiB。',
  'HDF5 files of Keras hold no numbers of type {0}.': 'Keras 的 HDF5 文件不存放 {0} 类型的数。',
  'it is not an HDF5 file': '它不是 HDF5 文件',
  'a superblock of version {0}': '版本 {0} 的超级块',
  'addresses that are not of 8 bytes': '不是 8 字节的地址',
  'its root is not a group': '它的根不是组',
  'its groups lead back to themselves or are nested without end': '它的组指回自身，或无休止地嵌套',
  'the newer form of groups at {0}': '{0} 处较新形式的组',
  '{0} is neither a group nor data': '{0} 既不是组，也不是数据',
  'compressed data at {0}': '{0} 处压缩的数据',
  'the newer form of objects at {0}': '{0} 处较新形式的对象',
  'the header of {0} is damaged': '{0} 的头部已损坏',
  'shared messages at {0}': '{0} 处共享的消息',
  'the group {0} is damaged': '组 {0} 已损坏',
  'the link {0}': '链接 {0}',
  'the shape of {0} is damaged': '{0} 的形状已损坏',
  'the shape [{0}] of {1} is beyond all bounds': '{1} 的形状 [{0}] 超出一切界限',
  'the type of {0} is damaged': '{0} 的类型已损坏',
  'variable text': '变长文本',
  'big-endian data at {0}': '{0} 处大端的数据',
  'a type of data (class {0}, {1} bytes) at {2}': '{2} 处的一种数据类型（类 {0}，{1} 字节）',
  'the data of {0} are cut off': '{0} 的数据被截断',
  'a layout of version {0} at {1}': '{1} 处版本 {0} 的布局',
  'chunked data at {0}': '{0} 处分块的数据',
  'the texts of {0} are absurdly long': '{0} 的文本长得离谱',
  'the texts of {0} are damaged': '{0} 的文本已损坏',
  'an attribute of {0} is damaged': '{0} 的一个属性已损坏',
  'attributes of version {0} at {1}': '{1} 处版本 {0} 的属性',
  'it refers to what lies behind its end': '它指向末尾之后的内容',
  'it ends too early': '它结束得太早',
  'it has lengths beyond all bounds': '它的长度超出一切界限',
  'its objects lie over one another': '它的对象互相重叠',
  '{0} cannot be read as HDF5: {1}.': '{0} 不能作为 HDF5 读取：{1}。',
  '{0} uses {1}, which this reader of HDF5 does not know.':
    '{0} 使用了{1}，这个 HDF5 读取程序不认识它。',
  'Write it in the earliest format: {0}.': '请用最早的格式写它：{0}。',
  'Axes {0} do not cover a tensor of shape [{1}].': '轴 {0} 没有覆盖形状为 [{1}] 的张量。',
  '{0} of {1} would have another size; kernels become larger in ONNX files only.':
    '{1} 的 {0} 会有另一个大小；只有 ONNX 文件中的卷积核能变大。',
  'Write an ONNX file instead (-o FILE.onnx).': '请改写 ONNX 文件（-o FILE.onnx）。',
  'Layers of {0} would be removed; files of Keras are only grown.':
    '{0} 的层会被移除；Keras 文件只能扩展。',
  'The {0} {1} of {2} would have another size; inputs get other sizes in ONNX files only.':
    '{2} 的{0} {1} 会有另一个大小；只有 ONNX 文件中的输入能有别的大小。',
  '{0} of {1} would get an adapter; these are for ONNX files only.':
    '{1} 的 {0} 会得到适配器；适配器只用于 ONNX 文件。',
  '{0} would be there once more in {1}; blocks are repeated in ONNX files only.':
    '{0} 会在 {1} 中再出现一次；块只能在 ONNX 文件中复制。',
  '{0} of {1} would need another {2}, and it is no layer of Keras.':
    '{1} 的 {0} 需要另一个{2}，而它不是 Keras 的层。',
  'Give a width that is a multiple of the old one, or write an ONNX file instead (-o FILE.onnx).':
    '请给出旧宽度的倍数，或改写 ONNX 文件（-o FILE.onnx）。',
  'The layer {0} ({1}) of {2} would need another {3}, which its config does not have.':
    '{2} 的层 {0}（{1}）需要另一个{3}，而它的配置中没有。',
  'The layer {0} ({1}) cannot grow so: {2}.': '层 {0}（{1}）不能这样扩展：{2}。',
  'Grow its other layers along, or write an ONNX file instead (-o FILE.onnx).':
    '请让它的其他层一起扩展，或改写 ONNX 文件（-o FILE.onnx）。',
  'it keeps sums over the rows and columns of the squares, which do not say how each grows':
    '它保存平方的行和与列和，由此不能得知各自如何扩展',
  'it computes weights anew from sums of gradients and of weights':
    '它由梯度与权重的和重新计算权重',
  'it divides the variables among several optimizers': '它把变量分给几个优化器',
  'The state of the optimizer {0} in {1} cannot be grown: {2}.':
    '{1} 中优化器 {0} 的状态不能扩展：{2}。',
  'Save the model without it: model.save(FILE, include_optimizer=False).':
    '请不带它保存模型：model.save(FILE, include_optimizer=False)。',
  'its slots are not known': '它的槽未知',
  'exclude_layers is set': '设置了 exclude_layers',
  'it has {0} slots, and {1} variables need {2}': '它有 {0} 个槽，而 {1} 个变量需要 {2} 个',
  'its slot {0} has the shape [{1}] where [{2}] was expected':
    '它的槽 {0} 的形状是 [{1}]，而应为 [{2}]',
  'The optimizer has a slot of no variable: {0}.': '优化器有一个不属于任何变量的槽：{0}。',
  '{0} would take split coefficients along the channels of the normalization behind it.':
    '{0} 会沿其后归一化的通道带有拆分系数。',
  '{0} would get units of its own, and a normalization behind it is folded into its numbers.':
    '{0} 会得到自己的单元，而其后的归一化已折叠进它的数中。',
  'Export the model with its normalizations as nodes of their own.':
    '请导出归一化为单独节点的模型。',
  'Give a width that is a multiple of the old one, so that every unit is copied equally often.':
    '请给出旧宽度的倍数，使每个单元的副本数相同。',
  '{0} would need the {1} {2} instead of {3}, which {4} does not hold.':
    '{0} 需要{1} {2} 而不是 {3}，而 {4} 没有它。',
  '{0} would make up for the units that are added, and {1} has no place for it.':
    '{0} 会补偿所添加的单元，而 {1} 没有它的位置。',
  'The plan changes {0}, and no entry of {1} holds its numbers{2}.':
    '计划要改变 {0}，而 {1} 的各项都不含它的数{2}。',
  'Export the model from these weights, for PyTorch with optimize=False, so that its names stay.':
    '请由这些权重导出模型，在 PyTorch 中用 optimize=False，以保留名称。',
  '{0} of {1} {2} one tensor for {3} uses, which would grow in different ways.':
    '{1} 的 {0} {2}供 {3} 处使用的一个张量，它们会以不同的方式扩展。',
  'Name all layers that share it, or add --untie where the network can hold two tensors (for transformers: tie_word_embeddings: false).':
    '请写出共用它的所有层；如果网络可以有两个张量，也可以加上 --untie（transformers 中：tie_word_embeddings: false）。',
  'Which of {0} of {1} grows cannot be told: the model does not say who reads them.':
    '无法判断 {1} 的 {0} 中哪个会扩展：模型没有说明谁读取它们。',
  'Export the network with dynamo=True, which notes it.':
    '请用 dynamo=True 导出网络，它会注明这一点。',
  '{0} of {1} would grow in {2} different ways.': '{1} 的 {0} 会以 {2} 种不同的方式扩展。',
  ' ({0} has its shape)': '（{0} 有它的形状）',
  '{0} grew along an axis that it does not have.': '{0} 沿它没有的轴扩展了。',
  '{0} changed its type.': '{0} 改变了类型。',
  '{0} of {1} and of the model differ in their numbers: they are of different states of training.':
    '{1} 的 {0} 与模型的数不同：它们来自不同的训练状态。',
  'Export the model from these weights; on the command line, --weights-differ takes the names for it.':
    '请由这些权重导出模型；在命令行上，--weights-differ 以名称为准。',
  '{0} is [{1}] in {2} and [{3}] in the model: they are of different networks.':
    '{0} 在 {2} 中是 [{1}]，在模型中是 [{3}]：它们属于不同的网络。',
  '{0} is of another network than the model: it holds none of its weights, such as {1} [{2}].':
    '{0} 属于另一个网络：其中没有模型的任何权重，例如 {1} [{2}]。',
  'Export the model from these weights, or give the weights that it was exported from.':
    '请由这些权重导出模型，或给出导出该模型所用的权重。',
  '{0} would stand inside the layer {1} of {2}.': '{0} 会位于 {2} 的层 {1} 之内。',
  '{0} would be one layer for several calls of {1}, which a plan deepens one by one.':
    '{0} 会是 {1} 的几次调用的一层，而计划逐次加深它们。',
  '{0} would be {1}, which no layer of Keras computes.': '{0} 会成为 {1}，而 Keras 没有这样的层。',
  'a node {0} of {1}': '{1} 的一个节点 {0}',
  'a convolution with the pads [{0}]': '填充为 [{0}] 的卷积',
  'a product of another form than that of Dense': '形式与 Dense 不同的乘积',
  'a sum with a parameter': '与一个参数的和',
  'a node {0}': '一个节点 {0}',
  'No node gives {0}.': '没有节点给出 {0}。',
  'A layer behind {0} would stand inside {1}, which holds one layer only.':
    '{0} 之后的层会位于 {1} 之内，而它只容纳一层。',
  'There is a layer {0} already.': '已经有一个层 {0}。',
  '{0} would be a sum of two ways, which a Sequential model cannot have.':
    '{0} 会是两条路的和，而 Sequential 模型不能有。',
  'Build the model by the functional API: keras.Model(inputs, outputs).':
    '请用函数式接口构建模型：keras.Model(inputs, outputs)。',
  '{0} is not a zip archive, as PyTorch has written since version 1.6.':
    '{0} 不是 zip 文件，而 PyTorch 从 1.6 版起写的是 zip 文件。',
  "For an older file run in Python: torch.save(torch.load('{0}', weights_only=True), 'new.pt').":
    "对于较旧的文件，请在 Python 中运行：torch.save(torch.load('{0}', weights_only=True), 'new.pt')。",
  '{0} holds no data.pkl: it is not a file that torch.save wrote.':
    '{0} 没有 data.pkl：它不是 torch.save 写的文件。',
  '{0} was written on a machine whose byte order is not little-endian.':
    '{0} 是在字节序不是小端的机器上写的。',
  "{0} has a pickle of {1} bytes, which is no model's.": '{0} 有 {1} 字节的 pickle，不会是模型的。',
  '{0} describes a tensor that cannot be read: {1}.': '{0} 描述了一个无法读取的张量：{1}。',
  'it has no storage': '它没有存储',
  'the type of its storage is unknown': '它的存储类型未知',
  'its storage {0} is not in the file': '它的存储 {0} 不在文件中',
  'its shape is none': '它的形状不是形状',
  'its storage {0} is too short': '它的存储 {0} 太短',
  'it would take {0} bytes, and its storage {1} has {2}':
    '它需要 {0} 字节，而它的存储 {1} 有 {2} 字节',
  'PyTorch files have no storage for tensors of type {0}.': 'PyTorch 文件没有 {0} 类型张量的存储。',
  'The file nests values more than 200 deep.': '这个文件中值的嵌套超过 200 层。',
  '{0} holds no state dict: no table of tensors by name.':
    '{0} 没有 state dict：没有按名称的张量表。',
  'Save one: torch.save(model.state_dict(), FILE).':
    '请保存一个：torch.save(model.state_dict(), FILE)。',
  '{0} nests values more than {1} deep.': '{0} 中值的嵌套超过 {1} 层。',
  '{0} holds a value that contains itself.': '{0} 含有一个包含自身的值。',
  '{0} holds a pickle that cannot be read: {1}.': '{0} 含有无法读取的 pickle：{1}。',
  'its stack runs empty': '它的栈空了',
  'its stack has no mark': '它的栈没有标记',
  'it refers to a value that is not there': '它引用了不存在的值',
  'the name of a class is no text': '类的名称不是文本',
  '{0} names {1}, which is not needed to read weights; nothing of it was executed.':
    '{0} 提到了 {1}，读取权重并不需要它；其中没有执行任何东西。',
  'Save a state dict: torch.save(model.state_dict(), FILE).':
    '请保存 state dict：torch.save(model.state_dict(), FILE)。',
  'it appends to what is no list': '它向不是列表的东西追加',
  'it sets items of what is no dict': '它给不是字典的东西设置项',
  'it calls what is no class': '它调用了不是类的东西',
  'it is absurdly long': '它长得离谱',
  'its protocol is newer than 5': '它的协议比 5 新',
  'it leaves values behind': '它留下了多余的值',
  'it holds an absurd number': '它含有离谱的数',
  'it adds to what is no set': '它向不是集合的东西添加',
  'it gives a state to what has none': '它给没有状态的东西设置状态',
  'the instruction 0x{0} is unknown': '指令 0x{0} 未知',
  '{0} is not a safetensors file that can be read: {1}.':
    '{0} 不是可以读取的 safetensors 文件：{1}。',
  'it is shorter than eight bytes': '它不足八字节',
  'its header should be {0} bytes long, and the file has {1}':
    '它的头部应有 {0} 字节，而文件有 {1} 字节',
  'its metadata is not a table of texts': '它的元数据不是文本表',
  "the data of {0} overlaps another tensor's or leaves a gap":
    '{0} 的数据与另一个张量的重叠，或留有空隙',
  'its tensors take {0} bytes, and it holds {1}': '它的张量需要 {0} 字节，而它有 {1} 字节',
  'The tensor {0} has the type {1}, which safetensors does not have.':
    '张量 {0} 的类型是 {1}，safetensors 没有这种类型。',
  'its header is not JSON': '它的头部不是 JSON',
  'the entry {0} of its header is not a table': '它的头部的项 {0} 不是表格',
  'the tensor {0} has an unknown type': '张量 {0} 的类型未知',
  'the tensor {0} has a shape that is none': '张量 {0} 的形状不是形状',
  'the tensor {0} has offsets that are none': '张量 {0} 的偏移不是偏移',
  'the tensor {0} of shape [{1}] cannot take {2} bytes':
    '形状为 [{1}] 的张量 {0} 不可能占 {2} 字节',
  '{0} holds no optimizer state: "state" and "param_groups" are missing.':
    '{0} 没有优化器的状态：缺少“state”和“param_groups”。',
  'Save one: torch.save(optimizer.state_dict(), FILE).':
    '请保存一个：torch.save(optimizer.state_dict(), FILE)。',
  '{0} keeps state for a parameter that no group holds.': '{0} 保存了不属于任何组的参数的状态。',
  '{0} in {1} has the shape [{2}], but {3} has [{4}].':
    '{1} 中的 {0} 形状是 [{2}]，但 {3} 的是 [{4}]。',
  'Give the names of the parameters in the order of the optimizer: --names NAME,NAME,…':
    '请按优化器的顺序给出参数的名称：--names NAME,NAME,…',
  'How the slot {0} of {1} grows is not known.': '不知道 {1} 的槽 {0} 如何扩展。',
  'Known are {0}.': '已知的有 {0}。',
  '{0} does not say which of its {1} parameters is which.': '{0} 没有说明它的 {1} 个参数各是哪个。',
  'Give the names in the order of the optimizer: --names NAME,NAME,… (or make the optimizer from named_parameters(), or give the weights as a .pt file).':
    '请按优化器的顺序给出名称：--names NAME,NAME,…（或由 named_parameters() 创建优化器，或以 .pt 文件给出权重）。',
  '{0} has {1} parameters, and there are {2} names.': '{0} 有 {1} 个参数，而有 {2} 个名称。',
  'The weights have no entry {0}, which {1} keeps state for.':
    '权重没有项 {0}，而 {1} 保存了它的状态。',
  '{0} is new, for which {1} has no state: leave out --optimizer.':
    '{0} 是新的，{1} 没有它的状态：请去掉 --optimizer。',
  '{0} is removed, and {1} has state for it: leave out --optimizer.':
    '{0} 被移除，而 {1} 有它的状态：请去掉 --optimizer。',
  '{0} and {1} are one tensor in {2}, and would grow in different ways.':
    '{0} 和 {1} 在 {2} 中是一个张量，它们会以不同的方式扩展。',
  'The entry {0} did not grow as {1} of the model did.': '项 {0} 没有像模型的 {1} 那样扩展。',
  'Nothing of {0} is in the grown model.': '扩展后的模型中没有 {0} 的任何东西。',
  'No entry alone holds {0}, the kernel of which becomes larger.':
    '没有一项单独含有 {0}，而它的卷积核要变大。',
  'The state in {0} does not follow larger kernels: leave out --optimizer.':
    '{0} 中的状态不随更大的卷积核变化：请去掉 --optimizer。',
  '{0} is a new entry, which cannot be added to {1}: give the weights as .safetensors.':
    '{0} 是新的项，不能加到 {1} 中：请以 .safetensors 给出权重。',
  '{0} is not an index of safetensors files: {1}.': '{0} 不是 safetensors 文件的索引：{1}。',
  'it has no weight_map': '它没有 weight_map',
  'it names {0}, which is no file beside it': '它提到了 {0}，而旁边没有这个文件',
  'no file holds {0}': '没有文件含有 {0}',
}
