//! Codes of seats, bookings and countermarks: what venues' software and booksellers are told.

super::codes! {
    Data "SoldOut"
        "the show is sold out"
        "La séance est complète"
        "nothing: the next pass states the places left";
    Data "NotEnough"
        "fewer places are left than were asked for"
        "Il reste moins de places que demandé"
        "nothing: pass Culture is told how many are left";
    Data "ShowGone"
        "the vendor has this show no longer"
        "La séance n'existe plus"
        "nothing: the next pass takes it off";
    Data "NoTariff"
        "the show has no tariff left for pass Culture"
        "La séance n'a plus de tarif pass Culture"
        "create the tariff in the venue's system";
    Data "SalesClosed"
        "sales for this show are closed"
        "Les ventes de cette séance sont closes"
        "nothing to do";
    Transient "IntentNotStored"
        "what was about to be sold could not be written down, so it was not sold"
        "La vente n'a pas pu être enregistrée : rien n'a été vendu"
        "see that the store works (`passerelle check`)";
    Data "TraceTooLong"
        "what an adapter wants to remember of a sale is too long"
        "La trace de la vente est trop longue"
        "report it: this is a fault of the gateway";
    Data "TicketKept"
        "the venue's system keeps a ticket that pass Culture does not count"
        "Le logiciel garde un billet que le pass Culture ne compte pas"
        "have the venue void it, unless somebody came in with it; then `passerelle bookings release`";
    Data "VoidButBooked"
        "the ticket is void and pass Culture still counts the booking"
        "Le billet est annulé mais le pass Culture compte encore la réservation"
        "have the beneficiary or the venue cancel it at pass Culture; then `passerelle bookings release`";
    Data "NotListedAnyMore"
        "pass Culture does not list a booking any more that was never cancelled; the ticket is good"
        "Le pass Culture ne liste plus cette réservation ; le billet reste valable"
        "ask pass Culture what became of it";
    Data "CancelledSilently"
        "the booking was cancelled at pass Culture without a message to us"
        "La réservation a été annulée sans que nous en soyons avertis"
        "nothing: its seats are freed";
    Data "ReleasedByHand"
        "an operator settled this booking by hand"
        "Un opérateur a réglé cette réservation à la main"
        "nothing to do";
    Data "CountermarkNotFound"
        "this venue has no such countermark"
        "Contremarque introuvable pour ce lieu"
        "check what was typed";
    Data "NotACountermark"
        "a countermark has six characters of A-Z without I and O, and of 2-7"
        "Une contremarque a six caractères : lettres (sauf I et O) et chiffres de 2 à 7"
        "check what was typed";
    Data "NotYetUsable"
        "the beneficiary may still cancel, so the countermark cannot be validated yet"
        "Contremarque pas encore validable : le délai d'annulation court toujours"
        "validate it once that time is over";
    Data "AlreadyUsed"
        "the countermark or the ticket was used before"
        "La contremarque ou le billet a déjà servi"
        "hand nothing out before looking at the pass Culture portal";
    Data "UsedKeepFirst"
        "the countermark is validated, so that its booking cannot be cancelled"
        "Contremarque validée : la réservation ne peut pas être annulée"
        "take the validation back first (/keep), then cancel";
    Data "AlreadyCancelled"
        "the booking of this countermark was cancelled"
        "La réservation de cette contremarque a été annulée"
        "hand nothing out";
    Data "NoLongerValid"
        "the countermark was validated or cancelled before"
        "La contremarque a été validée ou annulée"
        "the pass Culture portal tells which";
    Data "Reimbursed"
        "the countermark was validated and paid for; nothing can be changed any more"
        "Contremarque validée et remboursée : elle n'est plus modifiable"
        "nothing to do";
    Data "NotAllowed"
        "pass Culture does not let this countermark be validated"
        "Le pass Culture ne permet pas de valider cette contremarque"
        "see the pass Culture portal";
    Data "NotUsed"
        "the countermark is not validated, so there is no validation to take back"
        "Contremarque non validée : il n'y a rien à annuler"
        "nothing to do";
    Data "CannotBeKept"
        "pass Culture does not take this validation back (it has an activation code)"
        "Cette validation ne peut pas être annulée (code d'activation)"
        "nothing to do";
    Data "CannotBeCancelled"
        "the booking can no longer be cancelled; the countermark can be validated"
        "La réservation ne peut plus être annulée ; la contremarque reste valable"
        "nothing to do";
    Data "OnlyInThePortal"
        "the gateway does not know whose countermark it is, so nothing was changed"
        "La passerelle ne sait pas à qui est cette contremarque : rien n'a été modifié"
        "do it in the pass Culture portal";
    Transient "Contended"
        "other requests move this countermark at the same time"
        "Plusieurs demandes portent sur cette contremarque"
        "repeat the request";
    Transient "PassCultureUnavailable"
        "pass Culture does not answer; nothing is known to be done"
        "Le pass Culture ne répond pas : rien n'est confirmé"
        "repeat the request: it does no harm";
    Transient "PassCultureTooSlow"
        "pass Culture did not answer in time; nothing is known to be done"
        "Le pass Culture tarde à répondre : rien n'est confirmé"
        "repeat the request: it does no harm";
    RateLimited "TooManyRequests"
        "this venue's software asks too often; nothing was done"
        "Ce logiciel envoie trop de demandes : rien n'a été fait"
        "repeat after Retry-After, and not in a loop";
    RateLimited "PassCultureThrottled"
        "the account's requests to pass Culture are used up for the moment"
        "Trop de demandes au pass Culture en ce moment"
        "repeat after Retry-After";
    Auth "AccountRefused"
        "pass Culture does not accept the gateway's account"
        "Le pass Culture refuse la passerelle"
        "set a valid API key; meanwhile countermarks are validated in the portal";
    VendorFault "UnclearAnswer"
        "pass Culture's answer is not understood, so nothing is claimed"
        "La réponse du pass Culture n'est pas comprise"
        "see the pass Culture portal";
    Settings "VenueNotKnown"
        "the connection's pass Culture venue is not known yet"
        "Le lieu pass Culture n'est pas encore connu de la passerelle"
        "write `venue` in the connection, or wait for the first pass";
    Settings "ShowsNotStated"
        "this connection's software does not state shows here"
        "Ce logiciel n'annonce pas ses séances par cette interface"
        "use a connection whose adapter does";
    Settings "NoAdapter"
        "the connection's adapter cannot be made from its settings"
        "La connexion ne peut pas être ouverte avec ses réglages"
        "`passerelle check` says what is wrong with the settings";
    Settings "NoPool"
        "this connection does not sell from barcodes that were set aside"
        "Cette connexion ne vend pas de billets mis de côté"
        "set it in the connection's settings if it should";
    Data "BadId"
        "the id is none that a show or a stock may have"
        "L'identifiant n'est pas valable"
        "use a short id of plain characters";
    Data "NoSuchEvent"
        "no event was stated under this id"
        "Aucun événement n'a été annoncé sous cet identifiant"
        "state the event first";
    Data "NoSuchStock"
        "no stock was stated under this id"
        "Aucun stock n'a été annoncé sous cet identifiant"
        "state the stock first";
    Data "OtherEvent"
        "this stock is one of another event; an id is one stock's for ever"
        "Ce stock appartient à un autre événement"
        "use another id for the new stock";
    Data "OtherVenue"
        "what is stated belongs to another venue than this connection's"
        "Ce qui est annoncé appartient à un autre lieu"
        "state it with that venue's token";
    Data "Gone"
        "this stock was taken off"
        "Ce stock a été retiré"
        "PUT it again first";
    Data "Stale"
        "a version of this show or stock that is as new was stated before, with something else"
        "Une version aussi récente a déjà été annoncée"
        "state the change with a higher version";
    Data "EventUnreadable"
        "the stored event cannot be read by this release"
        "L'événement enregistré est illisible par cette version"
        "state the event again, then its stock";
    Data "NoStock"
        "the request does not say whose bookings are meant"
        "La demande n'indique pas le stock concerné"
        "write stock_id";
    Data "NoTicket"
        "the request does not say which ticket is meant"
        "La demande n'indique pas le billet concerné"
        "write the ticket's barcode";
    Data "NoSuchTicket"
        "no booking has this ticket"
        "Aucune réservation n'a ce billet"
        "check what was scanned, and the venue's token";
    Data "NoSuchBooking"
        "there is no such booking at this venue"
        "Cette réservation n'existe pas pour ce lieu"
        "check the id, and the venue's token";
    Data "NotBooked"
        "the booking is in no state in which its tickets can be used"
        "La réservation n'est pas dans un état qui permet d'entrer"
        "see `passerelle explain` with its reference";
    Data "Cancelled"
        "the booking is cancelled"
        "La réservation est annulée"
        "let nobody in with its tickets";
    Data "Overtaken"
        "a newer word on this ticket came before"
        "Une information plus récente existe sur ce billet"
        "nothing: the newer one stands";
    Data "HistoryFull"
        "more was told of this booking than is kept"
        "Trop de changements pour cette réservation"
        "see that the venue's software does not tell the same in a loop";
    Data "NoBarcodeColumn"
        "the list has no column with barcodes"
        "La liste n'a pas de colonne de codes-barres"
        "name the column as the sentence beside the code says";
    Data "empty"
        "a barcode of the list is empty"
        "Un code-barres de la liste est vide"
        "correct the list";
    Data "too_long"
        "a barcode of the list is too long"
        "Un code-barres de la liste est trop long"
        "correct the list";
    Data "unprintable"
        "a barcode of the list has characters that cannot be printed"
        "Un code-barres contient des caractères non imprimables"
        "correct the list";
    Data "no_stock"
        "a row of the list does not say which stock its barcode is for"
        "Une ligne n'indique pas le stock de son code-barres"
        "correct the list";
    Data "no_barcode_column"
        "the list has no column with barcodes"
        "La liste n'a pas de colonne de codes-barres"
        "name the column `barcode`";
}
