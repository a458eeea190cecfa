/** Training, checks, ONNX Runtime, and what concerns any model. */
export const training: Readonly<Record<string, string>> = {
  'The file': '文件',
  'Tensors of type {0} cannot be gathered.': '{0} 类型的张量不能被收集。',
  'Elements of type {0} cannot be computed with.': '{0} 类型的元素不能参与计算。',
  'a type of numbers, as "float32"': '数的类型，例如“float32”',
  'an array of numbers, as Float32Array': '数字数组，例如 Float32Array',
  'A tensor of shape [{0}] was given {1} elements.': '形状为 [{0}] 的张量得到了 {1} 个元素。',
  'Tensors of type {0} have no array form.': '{0} 类型的张量没有数组形式。',
  'No random inputs suit both models ({0}); give inputs of your own.':
    '没有适合两个模型的随机输入（{0}）；请给出自己的输入。',
  'not a tensor': '不是张量',
  'The models cannot compute the same: the inputs of one are {0}, those of the other {1}.':
    '两个模型不可能计算相同的东西：一个的输入是 {0}，另一个的是 {1}。',
  'The models cannot compute the same: the outputs of one are {0}, those of the other {1}.':
    '两个模型不可能计算相同的东西：一个的输出是 {0}，另一个的是 {1}。',
  'The models cannot compute the same: their outputs that are no tensors of numbers are made in different ways.':
    '两个模型不可能计算相同的东西：它们不是数值张量的输出，构成方式不同。',
  'The models cannot compute the same: input "{0}" is {1} in one and {2} in the other.':
    '两个模型不可能计算相同的东西：输入“{0}”在一个里是 {1}，在另一个里是 {2}。',
  'Input {0} is not a tensor of numbers: give inputs of your own.':
    '输入 {0} 不是数字张量：请给出自己的输入。',
  'The model has no input {0}; it has {1}.': '模型没有输入 {0}；它有 {1}。',
  'Nothing was given for input {0}.': '没有给出输入 {0}。',
  'A tensor of rank {0} has no axis {1}.': '秩为 {0} 的张量没有轴 {1}。',
  'No tensors to put together.': '没有可以拼接的张量。',
  '{0} became {1}': '{0} 变成了 {1}',
  'The model has no low-rank adapters to merge.': '模型没有可以合并的低秩适配器。',
  'The plan changes "{0}", which is no constant of this model.':
    '计划要改变“{0}”，而它不是这个模型的常量。',
  'The plan pins "{0}", which this model does not compute.':
    '计划要固定“{0}”，而这个模型不计算它。',
  'The plan expects {0} at element {1} of "{2}", but it is {3}.':
    '计划要求“{2}”的第 {1} 个元素为 {0}，但它是 {3}。',
  'The plan expects {0} in attribute "{1}" of {2}.': '计划要求 {2} 的属性“{1}”为 {0}。',
  'The plan changes the node of "{0}", which this model does not have.':
    '计划要改变“{0}”的节点，而这个模型没有它。',
  'The plan copies the node of "{0}", which this model does not have.':
    '计划要复制“{0}”的节点，而这个模型没有它。',
  '{0} have the classes {1}, but the model tells {2} apart.': '{0}有类别 {1}，但模型区分的是 {2}。',
  "A class is known by its place: give data with the model's classes{0}.":
    '类别由它的位置确定：请给出带有模型类别的数据{0}。',
  ", or remove the entry {0} from the model's metadata to train it for others":
    '，或从模型的元数据中删去 {0} 一项，以便为其他类别训练它',
  'onnxruntime-web {0}': 'onnxruntime-web {0}',
  'This browser has no WebGPU adapter; choose the CPU.': '本浏览器没有 WebGPU 适配器；请选择 CPU。',
  'The device {0} is not available: {1}. {2}': '设备 {0} 不可用：{1}。{2}',
  'ONNX Runtime cannot load {0}: {1}.': 'ONNX Runtime 无法加载 {0}：{1}。',
  'Running models needs ONNX Runtime: npm install {0}.':
    '运行模型需要 ONNX Runtime：npm install {0}。',
  'ONNX Runtime ({0}) cannot be loaded: {1}.': '无法加载 ONNX Runtime（{0}）：{1}。',
  'This session has been released.': '这个会话已经释放。',
  'The model has no output {0}; it has {1}.': '模型没有输出 {0}；它有 {1}。',
  'ONNX Runtime cannot run the model: {0}.': 'ONNX Runtime 无法运行这个模型：{0}。',
  "ONNX Runtime's JavaScript API takes no bfloat16 tensors ({0}).":
    'ONNX Runtime 的 JavaScript 接口不接受 bfloat16 张量（{0}）。',
  'This tensor is on the device: its elements cannot be read here.':
    '这个张量在设备上：它的元素不能在这里读取。',
  'Output {0} is not a numeric tensor ({1}).': '输出 {0} 不是数字张量（{1}）。',
  'a sequence or map': '序列或映射',
  'The model is of operator set {0}; sets from {1} on can be trained. Export it with a newer one.':
    '模型属于算子集 {0}；从 {1} 起的算子集才能训练。请用更新的算子集导出。',
  '{0} cannot be brought from operator set {1} to {2}: the operator {3} is not supported.':
    '{0} 不能从算子集 {1} 升到 {2}：不支持算子 {3}。',
  'Export the model with operator set {0} or newer.': '请用算子集 {0} 或更新的导出模型。',
  'The learning rate must be a number that is not negative, not {0}.':
    '学习率必须是非负数，而不是 {0}。',
  '{0} of a schedule must be a number that is not negative, not {1}.':
    '学习率安排的 {0} 必须是非负数，而不是 {1}。',
  '{0} of a schedule must be a positive number, not {1}.':
    '学习率安排的 {0} 必须是正数，而不是 {1}。',
  '{0} of a schedule must be between 0 and 1, not {1}.':
    '学习率安排的 {0} 必须在 0 和 1 之间，而不是 {1}。',
  'The axis {0} of the classes does not fit an output of the shape [{1}].':
    '类别的轴 {0} 与形状为 [{1}] 的输出不符。',
  'There is no loss "{0}". Known: {1}.': '没有损失函数“{0}”。已知的有：{1}。',
  'Class weights and ignored labels are for targets that are indices.':
    '类别权重和忽略的标签用于序号形式的目标。',
  'Class weights must be numbers that are not negative: {0}.': '类别权重必须是非负数：{0}。',
  'The label to ignore must be a whole number, not {0}.': '要忽略的标签必须是整数，而不是 {0}。',
  'Label smoothing must be in [0, 1), not {0}.': '标签平滑必须在 [0, 1) 之内，而不是 {0}。',
  'There are {0} class weights, but the model has {1} classes.':
    '有 {0} 个类别权重，但模型有 {1} 个类别。',
  'The class axis {0} does not fit predictions of rank {1}.':
    '类别的轴 {0} 与秩为 {1} 的预测不符。',
  "The number of classes of the model's output is not known.": '模型输出的类别数未知。',
  'delta of the Huber loss must be a positive number, not {0}.':
    'Huber 损失的 delta 必须是正数，而不是 {0}。',
  'gamma of the focal loss must be 0, or a number from 1 on, not {0}.':
    'focal 损失的 gamma 必须是 0，或从 1 起的数，而不是 {0}。',
  'smooth of the Dice loss must be a positive number, not {0}.':
    'Dice 损失的 smooth 必须是正数，而不是 {0}。',
  'The weight of the teacher must be from 0 to 1, not {0}.':
    '教师的权重必须从 0 到 1，而不是 {0}。',
  'The temperature must be a positive number, not {0}.': '温度必须是正数，而不是 {0}。',
  "The data's input{0} has {1} samples in a batch, but there are {2} targets.":
    '数据的输入{0}在一批中有 {1} 个样本，但有 {2} 个目标。',
  'The data has no input "{0}"; it has {1}.': '数据没有输入“{0}”；它有 {1}。',
  'The model takes batches of exactly {0}, but this batch has {1}; export it with a dynamic batch, or choose a batch size that fits and divides the data.':
    '模型只接受恰好 {0} 个样本的批，但这一批有 {1} 个；请用动态批大小导出，或选择合适且能整除数据的批大小。',
  'A batch must be an object with inputs (an object of Tensors by name) and target (a Tensor).':
    '批必须是带有 inputs（按名称的 Tensor 对象）和 target（一个 Tensor）的对象。',
  '"{0}" of a batch must be a Tensor: dtype, dims, and a typed array of as many elements.':
    '批的“{0}”必须是 Tensor：dtype、dims，以及元素数相符的类型化数组。',
  "The data's input{0} is {1}, but the model takes {2}.": '数据的输入{0}是 {1}，但模型接受 {2}。',
  "The data's input{0} has the shape {1}, but the model takes {2}.":
    '数据的输入{0}的形状是 {1}，但模型接受 {2}。',
  'A batch has weights, which were not asked for: give the option weighted.':
    '有一个批带有没有要求的权重：请给出选项 weighted。',
  'A batch has no weights, but a weight for each sample is asked for.':
    '有一个批没有权重，但要求每个样本有一个权重。',
  'The weights have the shape {0}, but there must be one for each sample, or one for each prediction {1}.':
    '权重的形状是 {0}，但必须每个样本一个，或每个预测一个 {1}。',
  'Weights must not be negative: there is {0}.': '权重不能是负数：有 {0}。',
  "The data's targets hold the class {0}, but the model has one output only.":
    '数据的目标含有类别 {0}，但模型只有一个输出。',
  "The data's targets hold the class {0}, but the model has the classes 0 to {1}.":
    '数据的目标含有类别 {0}，但模型的类别是 0 到 {1}。',
  'bce-with-logits is a loss of yes and no, mse one of values.':
    'bce-with-logits 是是非的损失函数，mse 是数值的。',
  "Channels are last in the data, and first in the model: read arrays with --layout channels-last (in a program: layout: 'channels-last'), which moves them.":
    "数据的通道在最后，模型的通道在最前：请用 --layout channels-last 读取数组（在程序中：layout: 'channels-last'），它会移动通道。",
  "Channels are first in the data, and last in the model: read arrays with --layout channels-first (in a program: layout: 'channels-first'), which moves them.":
    "数据的通道在最前，模型的通道在最后：请用 --layout channels-first 读取数组（在程序中：layout: 'channels-first'），它会移动通道。",
  "The data's targets have the shape {0}, but the loss takes {1}.":
    '数据目标的形状是 {0}，但损失函数接受 {1}。',
  'The model uses the name "{0}", which a step graph needs itself.':
    '模型使用了名称“{0}”，而训练步的图自己需要它。',
  'The type of the model\'s input "{0}" is not known.': '模型输入“{0}”的类型未知。',
  'The loss {0} takes no weights, but the data have some.':
    '损失函数 {0} 不接受权重，但数据有权重。',
  'The shape of the model\'s output "{0}" is not known{1}.': '模型输出“{0}”的形状未知{1}。',
  ': it depends on {0}, of which no rule says it': '：它取决于 {0}，没有规则说明它',
  'The model has no output to train for.': '模型没有可供训练的输出。',
  'The model has no output "{0}"; it has {1}.': '模型没有输出“{0}”；它有 {1}。',
  'batchSize must be a whole number from 1 on, not {0}.':
    'batchSize 必须是从 1 起的整数，而不是 {0}。',
  '; did you mean "{0}"?': '；你是指“{0}”吗？',
  'No parameter matches "{0}". The model\'s parameters: {1}.':
    '没有参数符合“{0}”。模型的参数：{1}。',
  'Nothing of this model can be trained: no parameter that is not frozen reaches the loss.':
    '这个模型没有可以训练的：没有未冻结的参数影响损失。',
  'The norm to clip gradients to must be positive, not {0}.':
    '裁剪梯度的范数必须是正数，而不是 {0}。',
  'The factor of the learning rate of "{0}" must be a number that is not negative, not {1}.':
    '“{0}”的学习率倍数必须是非负数，而不是 {1}。',
  'The model does not say which of its units are new, so that they cannot have a learning rate of their own: nothing was added to what is trained since it was trained last.':
    '模型没有说明它的哪些单元是新的，因此它们不能有自己的学习率：上次训练之后没有增加什么。',
  'Grow it first, or name layers in the place of new and old.':
    '请先扩展它，或给出层来代替“新的”和“旧的”。',
  'The model holds {0} numbers: it is trained in float32, and stored as {1} again.':
    '模型存放的是 {0} 的数：它以 float32 训练，再存为 {1}。',
  'The model has low-rank adapters: these are trained, and nothing else (trainOnly names others).':
    '模型有低秩适配器：只训练它们（用 trainOnly 指定别的）。',
  '{0} is not trained: {1}.': '{0} 不参与训练：{1}。',
  'This training keeps no "{0}".': '这次训练没有保存“{0}”。',
  'The validation data': '验证数据',
  'The metrics {0} are measured on validation data, but there are none.':
    '指标 {0} 在验证数据上测量，但没有验证数据。',
  'Early stopping watches the metric "{0}", which is not measured{1}.':
    '提前停止关注指标“{0}”，但没有测量它{1}。',
  '; measured are {0}': '；测量的有 {0}',
  '{0} must be a number from 0 on, not {1}.': '{0} 必须是从 0 起的数，而不是 {1}。',
  'The state to go on from has no "{0}": it is of another training.':
    '要接着训练的状态没有“{0}”：它属于另一次训练。',
  'The state to go on from has "{0}" as [{1}] instead of [{2}].':
    '要接着训练的状态中“{0}”是 [{1}]，而不是 [{2}]。',
  'Lower the learning rate, clip the gradients, or look for bad values in the data.':
    '请降低学习率、裁剪梯度，或查找数据中的坏值。',
  'The data have a value that is NaN or infinite: element {0} of "{1}" in the batch of step {2}.':
    '数据中有 NaN 或无穷大的值：第 {2} 步的批中“{1}”的元素 {0}。',
  'The loss became NaN or infinite in step {0}.': '第 {0} 步的损失变成了 NaN 或无穷大。',
  'Training diverged: "{0}" has become NaN or infinite (element {1}) by step {2}.':
    '训练发散：到第 {2} 步，“{0}”变成了 NaN 或无穷大（元素 {1}）。',
  'The model takes batches of exactly {0}, but this batch has {1} samples; export it with a dynamic batch.':
    '模型只接受恰好 {0} 个样本的批，但这一批有 {1} 个样本；请用动态批大小导出。',
  'The model\'s output "{0}" has the shape [{1}] for {2} samples: it is not one prediction for each.':
    '模型的输出“{0}”对 {2} 个样本的形状是 [{1}]：不是每个样本一个预测。',
  'Choose among the outputs to leave it out.': '请在输出中选择，以便略去它。',
  'The momentum must be in [0, 1), not {0}.': '动量必须在 [0, 1) 之内，而不是 {0}。',
  'The rule must be keras or pytorch, not {0}.': '规则必须是 keras 或 pytorch，而不是 {0}。',
  '{0} must be in [0, 1), not {1}.': '{0} 必须在 [0, 1) 之内，而不是 {1}。',
}
