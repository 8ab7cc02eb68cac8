import { Zap } from "lucide-react";
import { duration } from "../model/duration";
import type { Prompt } from "../model/prompt";
import type { Flame } from "../model/trace";
import { socketColour } from "../model/types";
import { goToNode } from "../store/focus";
import { useLibrary } from "../store/library";

const LISTED = 4;

/** Where the time of a run went: a bar of the nodes that ran, the slowest of them by name, and what was cached. */
export function FlameBar({ flame, prompt }: { flame: Flame; prompt: Prompt }) {
  const catalogue = useLibrary((state) => state.catalogue);
  const about = (path: string) => {
    const node = prompt[path];
    const schema = node && catalogue.get(node.class_type);
    return {
      title: node?._meta?.title || schema?.title || node?.class_type || path,
      colour: socketColour(schema?.outputs[0]?.type ?? schema?.sockets[0]?.type ?? "*"),
    };
  };
  const slowest = [...flame.spans].sort((a, b) => b.ms - a.ms).slice(0, LISTED);
  return (
    <details className="flame">
      <summary aria-label="Where the time went">
        <span className="flame-bar">
          {flame.spans.map(({ path, from, share, ms }) => (
            <i
              key={path}
              title={`${about(path).title}, ${duration(ms)}`}
              style={{ left: `${100 * from}%`, width: `${100 * share}%`, background: about(path).colour }}
            />
          ))}
        </span>
      </summary>
      <ul>
        {slowest.map(({ path, ms, share }) => (
          <li key={path}>
            <button type="button" onClick={() => goToNode(path)}>
              <i className="swatch" style={{ background: about(path).colour }} />
              <span>{about(path).title}</span>
              <small>
                {duration(ms)} · {Math.round(100 * share)} %
              </small>
            </button>
          </li>
        ))}
        {flame.cached.length > 0 && (
          <li className="cached-note">
            <Zap size={11} /> {flame.cached.length} from the cache
          </li>
        )}
      </ul>
    </details>
  );
}
