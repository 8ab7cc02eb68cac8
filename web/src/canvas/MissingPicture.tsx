import { ImageOff, Upload } from "lucide-react";
import { setValue } from "../model/edits";
import { nearest } from "../model/nearest";
import { editingHere, locate } from "../store/docs";
import { usePictureNames } from "../store/pictures";
import { choosePicture } from "../widgets/ChoiceField";

interface Props {
  readonly name: string;
  readonly path: string;
  readonly widget: string;
  readonly folder: string;
  readonly options: readonly unknown[];
}

/** In place of a picture that the server does not have: its name, what is like it, and a way to send it. */
export function MissingPicture({ name, path, widget, folder, options }: Props) {
  const names = usePictureNames(folder, options);
  const change = editingHere();
  const take = (value: string) =>
    change(`change ${widget}`, (doc) => {
      const place = locate(doc, path);
      return place ? setValue(doc, place.at, place.id, widget, value) : doc;
    });
  return (
    <div className="missing-picture">
      <ImageOff size={20} aria-hidden />
      <p>
        <strong>{name}</strong> is not on this server.
      </p>
      <div>
        <button type="button" className="quiet" onClick={() => choosePicture(folder, take)}>
          <Upload size={14} /> Upload it
        </button>
        {nearest(name, names, 1).map((near) => (
          <button type="button" className="quiet" key={near} title={near} onClick={() => take(near)}>
            <span>{near}</span>
          </button>
        ))}
      </div>
    </div>
  );
}
