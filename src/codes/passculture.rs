//! Codes of pass Culture: what it says of products, offers, dates, bookings and of us.

super::codes! {
    Data "Available"
        "pass Culture takes this EAN"
        "Cet article peut être proposé sur le pass Culture"
        "nothing to do";
    Data "NotFound"
        "it is not known: a product that pass Culture's base lacks, or an address or id that does not exist"
        "Inconnu : article absent de la base du pass Culture, ou adresse qui n'existe pas"
        "a product is asked for again every day; an address or an id is to be checked";
    Data "SubcategoryNotAllowed"
        "the EAN is neither a paper book nor a CD nor a vinyl"
        "L'article n'est ni un livre papier, ni un CD, ni un vinyle"
        "nothing to do";
    Data "NotCompliant"
        "pass Culture excludes this EAN (general conditions, a ban, or a title not yet published)"
        "Article exclu par le pass Culture, ou pas encore paru"
        "nothing: it is asked again after a week";
    Data "DroppedSilently"
        "pass Culture accepted this EAN and no offer appeared"
        "Le pass Culture n'a pas créé l'offre, sans dire pourquoi"
        "nothing: it is tried again tomorrow; if it stays so, ask pass Culture's support";
    Data "RejectedByUpsert"
        "pass Culture refused this EAN's price, quantity or code"
        "Le pass Culture a refusé le prix ou la quantité de l'article"
        "check price and quantity in the shop's software; `passerelle sync ID --full` asks again";
    Data "OfferRejected"
        "pass Culture's moderation rejected the offer"
        "L'offre a été refusée par la modération du pass Culture"
        "ask pass Culture's support; it cannot be changed from here";
    Auth "ApiKeyRefused"
        "pass Culture does not accept the API key"
        "Le pass Culture refuse la clé d'accès"
        "make a new key in the pass Culture portal and set it";
    Auth "ProviderInactive"
        "pass Culture has switched this provider off"
        "Le pass Culture a désactivé ce fournisseur"
        "ask pass Culture's support";
    Settings "WrongAddress"
        "there is no pass Culture interface at the address in the settings"
        "L'adresse du pass Culture dans les réglages n'est pas la bonne"
        "correct `passculture.base_url`";
    Settings "BadBaseUrl"
        "the address of pass Culture is no address"
        "L'adresse du pass Culture n'est pas valable"
        "correct `passculture.base_url`";
    Settings "InsecureBaseUrl"
        "the address of pass Culture is not encrypted"
        "L'adresse du pass Culture n'est pas chiffrée"
        "write https://";
    Settings "BadApiKey"
        "the API key has characters that cannot be sent"
        "La clé d'accès contient des caractères impossibles à envoyer"
        "write the key again, without line breaks";
    Settings "BadRate"
        "`requests_per_minute` is out of range"
        "Le nombre de requêtes par minute est hors limites"
        "correct `passculture.requests_per_minute`";
    Settings "BadSiret"
        "the SIRET or RIDET is none"
        "Le SIRET ou le RIDET n'est pas valable"
        "correct `siret` in the connection";
    Settings "NoHttpClient"
        "no HTTPS client can be made on this machine"
        "Aucune connexion HTTPS n'est possible sur cette machine"
        "install its root certificates (ca-certificates)";
    Settings "VenueNotLinked"
        "pass Culture does not know this venue for our key: it is not linked to the provider, or no longer"
        "Le lieu n'est pas (ou plus) relié à ce fournisseur sur le pass Culture"
        "have the venue link the provider in its pass Culture portal";
    Settings "NoVenue"
        "no pass Culture venue is known for this connection"
        "Aucun lieu pass Culture n'est connu pour cette connexion"
        "set `venue` or `siret`";
    RateLimited "RateLimited"
        "pass Culture asks us to slow down"
        "Le pass Culture demande de ralentir"
        "nothing: the wait is kept; if it lasts, lower `requests_per_minute`";
    RateLimited "BudgetSpent"
        "the account's own budget of requests is spent for the moment"
        "Le budget de requêtes du compte est épuisé pour l'instant"
        "nothing: the next pass goes on";
    Transient "BudgetUnavailable"
        "the budget of requests cannot be read from the store"
        "Le budget de requêtes est illisible"
        "see that the store works (`passerelle check`)";
    Transient "ServerError"
        "pass Culture's server failed"
        "Le serveur du pass Culture est en erreur"
        "nothing: it is tried again";
    Transient "ServerTimeout"
        "pass Culture did not answer in time"
        "Le pass Culture n'a pas répondu à temps"
        "nothing: what was sent is looked for before it is sent again";
    Transient "ConnectionCut"
        "the exchange with pass Culture broke off"
        "L'échange avec le pass Culture s'est interrompu"
        "nothing: what was sent is looked for before it is sent again";
    Data "Refused"
        "the other side refused the request, with a reason"
        "La demande a été refusée, avec une raison"
        "see the reason beside the code";
    Settings "Redirected"
        "pass Culture's address sends us elsewhere"
        "L'adresse du pass Culture renvoie ailleurs"
        "correct `passculture.base_url`";
    VendorFault "OversizedAnswer"
        "pass Culture's answer is larger than any that makes sense"
        "La réponse du pass Culture est trop volumineuse"
        "report it to pass Culture's support";
    VendorFault "UnreadableAnswer"
        "pass Culture's answer cannot be read"
        "La réponse du pass Culture est illisible"
        "nothing at first; if it lasts, report it with the excerpt";
    VendorFault "WebPage"
        "a web page came in place of an answer: a proxy, a maintenance page or a wrong address"
        "Une page web est arrivée à la place d'une réponse"
        "check `passculture.base_url` and proxies; else wait";
    Data "TooManyAtOnce"
        "more EANs in one request than pass Culture takes"
        "Trop d'articles dans une seule demande"
        "report it: this is a fault of the gateway";
    Data "UnwritableRequest"
        "a request cannot be written"
        "La demande ne peut pas être écrite"
        "report it: this is a fault of the gateway";
    Data "UnaskableKey"
        "a key is empty or has a comma, so that pass Culture cannot be asked for it"
        "Une clé vide ou avec une virgule ne peut pas être demandée"
        "give the show another id at the vendor";
    VendorFault "ListStuck"
        "pass Culture's listing gives the same page again"
        "La liste du pass Culture répète la même page"
        "report it to pass Culture's support";
    VendorFault "ListTooLong"
        "pass Culture's listing does not end"
        "La liste du pass Culture n'a pas de fin"
        "report it to pass Culture's support";
    Settings "NoBookingContact"
        "events need an e-mail for questions about bookings"
        "Il faut une adresse de contact pour les réservations"
        "set it in the connection's settings";
    Settings "NoTicketing"
        "pass Culture does not know our booking addresses for this venue or provider"
        "Les adresses de réservation ne sont pas déclarées au pass Culture"
        "see the remedy that is printed with the error";
    Settings "BadMessageUrls"
        "an address for pass Culture's messages is none that it takes"
        "Une adresse pour les messages du pass Culture n'est pas valable"
        "correct `server.public_url`; it begins with https://";
    Data "TicketingUrlsHeld"
        "pass Culture keeps the booking addresses while a booked event has a date to come"
        "Le pass Culture garde les adresses de réservation tant qu'un événement réservé est à venir"
        "leave them set, and take them away when those dates are over";
    Data "NoSuchPriceCategory"
        "pass Culture does not know this price category"
        "Le pass Culture ne connaît pas cette catégorie de prix"
        "nothing: the next pass reads them again";
    Data "TooManyPriceCategories"
        "the event has more prices than pass Culture takes"
        "L'événement a trop de tarifs"
        "offer fewer tariffs for pass Culture at the vendor";
    Data "TooManyDates"
        "there are more films or dates than pass Culture or a connection takes"
        "Il y a trop de films ou de séances"
        "a smaller `horizon_days` gives fewer";
    Data "NoSuchOffer"
        "pass Culture does not know this offer any more"
        "Le pass Culture ne connaît plus cette offre"
        "nothing: the next pass makes it again";
    Data "NoSuchDate"
        "pass Culture does not know this date any more"
        "Le pass Culture ne connaît plus cette séance"
        "nothing: the next pass makes it again if the vendor still has it";
    Data "PictureRefused"
        "pass Culture does not take this picture"
        "Le pass Culture refuse cette image"
        "give the show a picture of the size that the sentence beside the code says; it is offered without one meanwhile";
    Data "KeyTaken"
        "pass Culture already has something under that key"
        "Le pass Culture a déjà quelque chose sous cette clé"
        "nothing: the next pass looks it up by its key";
    Data "OfferFrozen"
        "pass Culture's moderation has frozen the offer"
        "L'offre est gelée par la modération du pass Culture"
        "ask pass Culture's support";
    Data "BookingsSettled"
        "a booking of this date is settled and can no longer be set back"
        "Une réservation de cette séance est déjà réglée"
        "the date stays as it is";
}
