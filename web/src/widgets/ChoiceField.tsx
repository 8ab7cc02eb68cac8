import { ChevronDown, TriangleAlert, Upload } from "lucide-react";
import { Popover } from "radix-ui";
import { lazy, Suspense, useState } from "react";
import { imageName } from "../api/rest";
import type { Json } from "../model/json";
import type { WidgetShape } from "../model/shape";
import { isGone } from "../model/warnings";
import { Coming } from "../panels/Coming";
import { chooseFile } from "../store/files";
import { readFolder, uploadPicture, usePictureNames, usePresence } from "../store/pictures";
import { report } from "../store/ui";

interface Props {
  readonly widget: WidgetShape;
  readonly label: string;
  readonly value: Json;
  readonly onChange: (value: Json) => void;
}

const Options = lazy(() => import("./Options"));

/** A choice among what the server offers: searchable, and plain about a value that is not on offer. */
export function ChoiceField({ widget, label, value, onChange }: Props) {
  return widget.upload ? (
    <PictureChoice widget={widget} label={label} value={value} onChange={onChange} />
  ) : (
    <Choice widget={widget} label={label} value={value} onChange={onChange} missing={isGone(widget, value)} />
  );
}

/** A picture of a folder of the server, or one to upload to it. */
function PictureChoice({ widget, label, value, onChange }: Props) {
  const { folder = "input" } = widget;
  const presence = usePresence(String(value ?? ""), folder, widget.options);
  const names = usePictureNames(folder, widget.options);
  return (
    <Choice
      widget={{ ...widget, options: names }}
      label={label}
      value={value}
      onChange={onChange}
      missing={presence === "missing"}
      onOpen={() => void readFolder({ type: folder, subfolder: "", filename: "" })}
    >
      <button
        type="button"
        className="icon"
        title="Upload a picture"
        aria-label="Upload a picture"
        onClick={() => choosePicture(folder, onChange)}
      >
        <Upload size={14} />
      </button>
    </Choice>
  );
}

/** Lets a person choose a picture of this machine, and gives the name that it got on the server. */
export function choosePicture(folder: string, then: (name: string) => void): void {
  chooseFile("image/*", (file) =>
    uploadPicture(file, file.name, folder).then((image) => then(imageName(image, folder)), report),
  );
}

interface ChoiceProps extends Props {
  readonly missing: boolean;
  readonly onOpen?: () => void;
  readonly children?: React.ReactNode;
}

function Choice({ widget, label, value, onChange, missing, onOpen, children }: ChoiceProps) {
  const [open, setOpen] = useState(false);
  const shown = String(value ?? "");
  const change = (next: boolean) => {
    setOpen(next);
    if (next) onOpen?.();
  };
  return (
    <div className={missing ? "field choice missing" : "field choice"}>
      <Popover.Root open={open} onOpenChange={change}>
        <Popover.Trigger asChild>
          <button type="button" className="choice-button" title={missing ? `${shown} is not on this server` : shown}>
            <span className="label">{label}</span>
            <span className="state">
              {missing && <TriangleAlert size={12} />}
              {tail(shown) || "none"}
            </span>
            <ChevronDown size={12} />
          </button>
        </Popover.Trigger>
        <Popover.Portal>
          <Popover.Content className="popover options nowheel" align="start" sideOffset={4} collisionPadding={8}>
            <Suspense fallback={<Coming onLeave={() => setOpen(false)} />}>
              <Options
                widget={widget}
                value={value}
                missing={missing}
                onPick={(next) => {
                  setOpen(false);
                  onChange(next);
                }}
              />
            </Suspense>
          </Popover.Content>
        </Popover.Portal>
      </Popover.Root>
      {children}
    </div>
  );
}

/** The end of a path tells files apart better than its beginning. */
function tail(name: string): string {
  return name.split(/[\\/]/).pop() ?? name;
}
