from handlers import item as main
