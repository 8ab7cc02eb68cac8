import { AlertDialog } from "radix-ui";
import { useUi } from "../store/ui";

/** The question that `ask` puts to the person, and waits on. */
export function Ask() {
  const question = useUi((state) => state.question);
  if (!question) return null;
  const answer = (yes: boolean) => {
    useUi.setState({ question: undefined });
    question.answer(yes);
  };
  return (
    <AlertDialog.Root open onOpenChange={() => answer(false)}>
      <AlertDialog.Portal>
        <AlertDialog.Overlay className="overlay above" />
        <AlertDialog.Content className="dialog small above" onKeyDown={(event) => event.stopPropagation()}>
          <AlertDialog.Title>{question.title}</AlertDialog.Title>
          <AlertDialog.Description>{question.text}</AlertDialog.Description>
          <footer>
            <AlertDialog.Cancel className="quiet" onClick={() => answer(false)}>
              Cancel
            </AlertDialog.Cancel>
            <AlertDialog.Action className="run" onClick={() => answer(true)}>
              {question.yes}
            </AlertDialog.Action>
          </footer>
        </AlertDialog.Content>
      </AlertDialog.Portal>
    </AlertDialog.Root>
  );
}
