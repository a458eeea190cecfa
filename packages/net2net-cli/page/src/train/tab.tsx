import { OwnView } from './own/view.tsx'
import { ExperimentView } from './view.tsx'
import { what } from './what.tsx'

export const TrainView = () => (what.value === 'own' ? <OwnView /> : <ExperimentView />)
