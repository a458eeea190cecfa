/** Files of networks. */
export const files: Readonly<Record<string, string>> = {
  'The model takes {0} bytes, but one ONNX file holds less than 2 GiB; save it with external data.':
    '模型需要 {0} 字节，但一个 ONNX 文件小于 2 GiB；请把数据存到外部。',
  'The model cannot be written as ONNX: {0}.': '模型不能写成 ONNX：{0}。',
  '{0}: byte {1} is not the start of a protobuf field.':
    '{0}：字节 {1} 不是一个 protobuf 字段的开头。',
  '{0}: field {1} at byte {2} has wire type {3}, which ONNX files never use.':
    '{0}：字节 {2} 处的字段 {1} 的类型是 {3}，ONNX 文件从不使用它。',
  '{0}: field {1} at byte {2} claims {3} bytes, but only {4} are left; the file is truncated or broken.':
    '{0}：字节 {2} 处的字段 {1} 声称有 {3} 字节，但只剩 {4}；文件被截断或已损坏。',
  '{0}: its last number is cut off.': '{0}：最后一个数被截断。',
  '{0} ends inside a number at byte {1}; the file is truncated or broken.':
    '{0} 在字节 {1} 处的一个数中间结束；文件被截断或已损坏。',
  '{0}: the number that ends at byte {1} is too long.': '{0}：在字节 {1} 处结束的数太长。',
  '{0} has no name.': '{0} 没有名称。',
  '{0} is {1}, which is not a size.': '{0} 是 {1}，而那不是大小。',
  '{0}: data_type {1} is not an element type of ONNX.': '{0}：data_type {1} 不是 ONNX 的元素类型。',
  '{0}: data_location is EXTERNAL, but the file holds data for it too.':
    '{0}：data_location 是 EXTERNAL，但文件里也有它的数据。',
  '{0}: {1} cannot hold strings.': '{0}：{1} 不能存放字符串。',
  '{0}: string_data has {1} entries, dims {2} need {3}.':
    '{0}：string_data 有 {1} 项，dims {2} 需要 {3} 项。',
  '{0}: string_data cannot hold elements of type {1}.':
    '{0}：string_data 不能存放 {1} 类型的元素。',
  '{0} has no data, dims {1} of {2} need some.': '{0} 没有数据，而 {2} 的 dims {1} 需要数据。',
  '{0}: external_data gives {1} twice.': '{0}：external_data 两次给出 {1}。',
  '{0}: strings cannot lie in external_data.': '{0}：字符串不能放在 external_data 中。',
  '{0}: external_data has no location.': '{0}：external_data 没有 location。',
  '{0}: external_data.length is {1}, dims {2} of {3} need {4}.':
    '{0}：external_data.length 是 {1}，{3} 的 dims {2} 需要 {4}。',
  '{0}: external_data.offset {1} lies beyond any file.':
    '{0}：external_data.offset {1} 超出任何文件。',
  '{0}: its data lie in another file ({1}), which bytes in memory do not have; load the model by its path.':
    '{0}：它的数据在另一个文件（{1}）中，内存中的字节里没有它；请按路径加载模型。',
  '{0}: external_data.{1} is {2}, not a number of bytes.':
    '{0}：external_data.{1} 是 {2}，不是字节数。',
  '{0}: dims has {1} entries, more than {2}.': '{0}：dims 有 {1} 项，超过 {2} 项。',
  '{0}: dims has the negative size {1}.': '{0}：dims 有负的大小 {1}。',
  '{0}: dims {1} claim more bytes than any file can hold.':
    '{0}：dims {1} 声称的字节数超过任何文件所能容纳的。',
  '{0}: {1} cannot hold elements of type {2}.': '{0}：{1} 不能存放 {2} 类型的元素。',
  'dims {0} of {1}': '{1} 的 dims {0}',
  '{0}: raw_data has {1} bytes, {2} need {3}.': '{0}：raw_data 有 {1} 字节，{2} 需要 {3} 字节。',
  '{0}: {1} has {2} bytes, too many for {3} (large tensors belong into raw_data).':
    '{0}：{1} 有 {2} 字节，对 {3} 来说太多（大的张量应放在 raw_data 中）。',
  '{0}: {1} has {2} entries, {3} need {4}.': '{0}：{1} 有 {2} 项，{3} 需要 {4} 项。',
  '{0}: {1} ends inside a number.': '{0}：{1} 在一个数中间结束。',
  '{0}: entry {1} is {2}, which has more than {3} bits.': '{0}：第 {1} 项是 {2}，超过 {3} 位。',
  '{0}: entry {1} is too long.': '{0}：第 {1} 项太长。',
  '{0} has type TENSOR, but no tensor t.': '{0} 的类型是 TENSOR，但没有张量 t。',
  '{0} has type GRAPH, but no graph g.': '{0} 的类型是 GRAPH，但没有图 g。',
  '{0} gives {1}, but has type {2}{3}.': '{0} 给出 {1}，但类型是 {2}{3}。',
  ' and a reference': '和一个引用',
  'Networks are read from files of ONNX (.onnx) and of Keras (.keras, .h5).':
    '网络从 ONNX（.onnx）和 Keras（.keras、.h5）文件读取。',
  "Export the network in Python, torch.onnx.export(model, inputs, 'model.onnx', dynamo=True), and give that file":
    "请在 Python 中导出网络：torch.onnx.export(model, inputs, 'model.onnx', dynamo=True)，然后给出那个文件",
  'holds weights, and not the network that they belong to': '存放的是权重，而不是它们所属的网络',
  '{0}; these weights grow along beside it.': '{0}；这些权重放在旁边会一起扩展。',
  'is a pickle of Python, which is never executed here': '是 Python 的 pickle，在这里从不执行',
  'is a file of GGUF, whose weights are for llama.cpp': '是 GGUF 文件，它的权重供 llama.cpp 使用',
  'Start from the weights that it was made from, and from their network as ONNX.':
    '请从它由之制成的权重开始，并以 ONNX 给出它们的网络。',
  'is a model of TensorFlow Lite': '是 TensorFlow Lite 的模型',
  "Save the network that it was made from: model.save('model.keras').":
    "请保存它由之制成的网络：model.save('model.keras')。",
  "is a model in ONNX Runtime's own format": '是 ONNX Runtime 自己格式的模型',
  'Give the ONNX file that it was made from.': '请给出它由之制成的 ONNX 文件。',
  'is a text (JSON, HTML or the like), and no network': '是文本（JSON、HTML 之类），不是网络',
  '{0} A download may be an error page in its place.': '{0}下载到的可能是一个错误页面。',
  'The model': '模型',
  '{0} is not a valid ONNX file: {1}.': '{0} 不是有效的 ONNX 文件：{1}。',
  '{0} is not an ONNX model: it has no graph.': '{0} 不是 ONNX 模型：它没有图。',
  'ir_version is {0}; versions 1 to {1} can be read.': 'ir_version 是 {0}；可以读取版本 1 到 {1}。',
  'opset_import[{0}]: version {1} of {2} is not a version.':
    'opset_import[{0}]：{2} 的版本 {1} 不是版本。',
  'opset_import[{0}]: {1} is imported as {2} and as {3}.':
    'opset_import[{0}]：{1} 以 {2} 和 {3} 两个版本导入。',
  'opset_import is empty, but IR version 3 and later demand an operator set.':
    'opset_import 是空的，但 IR 版本 3 及以后要求算子集。',
  '{0}: another initializer has the same name.': '{0}：另一个 initializer 有相同的名称。',
  '{0} has no op_type.': '{0} 没有 op_type。',
  '{0}: the node has this attribute twice.': '{0}：节点两次有这个属性。',
  '{0}.output[{1}]: {2} is not defined by any node or input.':
    '{0}.output[{1}]：{2} 没有由任何节点或输入定义。',
  '{0}.input[{1}]: another input is also called {2}.': '{0}.input[{1}]：另一个输入也叫 {2}。',
  '{0}.node[{1}] {2}: output[{3}] {4} is already defined; values must have names of their own.':
    '{0}.node[{1}] {2}：output[{3}] {4} 已经定义；各个值必须有自己的名称。',
  '{0}: {1} {2} is not defined by any node or input.': '{0}：{1} {2} 没有由任何节点或输入定义。',
  'captured value': '捕获的值',
  '{0}.node[{1}]: the graph has a cycle of {2} nodes ({3}{4}).':
    '{0}.node[{1}]：图中有一个由 {2} 个节点组成的环（{3}{4}）。',
  '{0}.attribute {1}': '{0}.attribute {1}',
  '{0} is not an ONNX file: {1}': '{0} 不是 ONNX 文件：{1}',
  'it is empty.': '它是空的。',
  '{0} is not an ONNX file: it {1}.': '{0} 不是 ONNX 文件：它{1}。',
  '{0}: messages are nested more than {1} deep.': '{0}：消息的嵌套超过 {1} 层。',
  '{0}: field {1} is given twice.': '{0}：字段 {1} 给出了两次。',
  '{0} has wire type {1} where ONNX has {2}.': '{0} 的类型是 {1}，而 ONNX 中是 {2}。',
  '{0} has {1} bytes, more than any text should.': '{0} 有 {1} 字节，超过任何文本应有的长度。',
  '{0} is not UTF-8 text.': '{0} 不是 UTF-8 文本。',
  '{0} is {1}, but only initializers and tensor attributes may have external data.':
    '{0} 是 {1}，但只有 initializer 和张量属性可以有外部数据。',
  '{0}: the model has more than {1} parts.': '{0}：模型的部分超过 {1} 个。',
  '{0}: the model has more than {1} list entries.': '{0}：模型的列表项超过 {1} 个。',
  '{0}: more than {1} bytes that are not the data of plain tensors.':
    '{0}：不属于普通张量数据的字节超过 {1} 个。',
  '{0} gives its data {1}.': '{0} 给出它的数据 {1}。',
  'as {0} and as {1}': '作为 {0} 和 {1}',
  'the model': '模型',
}
