/** Runs and explorations in Chinese. */
export const runs: Readonly<Record<string, string>> = {
  'Runs and explorations': '运行和探索',
  'This page comes from a plain web server. Runs and explorations of this machine are listed too when the tool itself serves it:':
    '本页来自普通的网页服务器。由工具自己提供本页时，也会列出本机的运行和探索：',
  'in {0}, and in this browser': '在 {0} 中，以及在本浏览器中',
  'in this browser': '在本浏览器中',
  'None yet. Start one below, with net2net mnist or explore, or on the Train tab.':
    '还没有。请在下面开始一个，或用 net2net mnist、explore，或在“训练”标签中开始。',
  'None yet. What is trained on the Train tab is listed here.':
    '还没有。在“训练”标签中训练过的会列在这里。',
  'Here stand the curves, tables and networks of what was trained or explored.':
    '这里显示训练或探索过的曲线、表格和网络。',
  run: '运行',
  exploration: '探索',
  'this browser': '本浏览器',
  'Stop {0}': '停止 {0}',
  'Remove {0} of {1} from this browser': '从本浏览器中删除 {1} 的 {0}',
  'Remove it from this browser': '从本浏览器中删除',
  'Lines that end with {0} are of this run': '以 {0} 结尾的线属于这个运行',
  'Start a run': '开始一个运行',
  'seed {0}': '种子 {0}',
  '1 arm': '1 个网络',
  '{0} arms': '{0} 个网络',
  running: '运行中',
  finished: '已完成',
  stopped: '已停止',
  Report: '报告',
  '1 network': '1 个网络',
  '{0} networks': '{0} 个网络',
  'best loss {0}': '最小损失 {0}',
  'The first epoch is not done yet.': '第一轮还没有完成。',
  'There is no run called {0} in {1}.': '{1} 中没有叫 {0} 的运行。',
  'There is no run called {0}: no net2net serve is behind this page.':
    '没有叫 {0} 的运行：本页背后没有 net2net serve。',
  'This browser has no run called {0}: runs are kept where they were made.':
    '本浏览器中没有叫 {0} 的运行：运行只保存在产生它的浏览器中。',
  'The server answers no more: what stands here may be out of date.':
    '服务器不再应答：这里的内容可能已经过时。',
  'It is tried again and again. Does net2net serve still run?':
    '正在反复尝试。net2net serve 还在运行吗？',
  'Looking …': '正在查找…',
  'No run is chosen.': '没有选择运行。',
  'This link is about {0}, and there is no such network here.':
    '这个链接说的是 {0}，但这里没有这个网络。',
  'The Runs tab lists what there is on this machine and in this browser.':
    '“运行记录”标签列出本机和本浏览器中有的内容。',
  'Grow {0}': '扩展{0}',
  '{0} of {1}': '{1} 的 {0}',
  'network {0}, rung {1} of {2}': '{2} 的网络 {0}，第 {1} 级',

  // Explorations.
  'the first network': '第一个网络',
  'network {0}': '网络 {0}',
  'rung {0}': '第 {0} 级',
  'validation loss': '验证损失',
  'latency (ms)': '延迟（毫秒）',
  'size (bytes)': '大小（字节）',
  '{0} networks in {1} training steps, {2}.': '{0} 个网络，{1} 个训练步，{2}。',
  'It goes on: what is new appears here.': '正在进行：新的结果会出现在这里。',
  'The coloured line is the front: no network is better and costs less than one of it.':
    '彩色的线是前沿：没有网络比它上面的更好而代价更小。',
  'Point at a network to read it; press it to grow it further. Of hollow ones no file is kept.':
    '指向一个网络即可读取；按下即可继续扩展它。空心的没有保存文件。',
  'Validation of {0} trained networks over {1}; those of the front are in the table.':
    '{0} 个训练过的网络的验证结果与{1}；前沿上的在表格中。',
  'The front': '前沿',
  'On the front': '前沿上',
  front: '前沿',
  'Grown by': '扩展方式',
  'Who grew from whom': '谁从谁扩展而来',
  'Networks, each behind the one that it grew from': '各个网络，都排在它由之扩展的网络之后',
  'from network {0}': '来自网络 {0}',
  'not trained yet': '尚未训练',
}
