import { render } from 'preact'
import '@fontsource-variable/inter/wght.css'
import '@fontsource-variable/jetbrains-mono/wght.css'
import './style/base.css'
import './style/shell.css'
import './style/controls.css'
import './style/graph.css'
import './style/views.css'
import { App } from './app.tsx'
import { refuseStrayFiles } from './ui/drop.tsx'

refuseStrayFiles()
render(<App />, document.getElementById('app')!)
